"""Self-contained pages and tables that show what a comparison found."""

from neurograft.reports.comparison import ComparisonReport, SliceExample
from neurograft.reports.comparison_page import write_comparison_page
from neurograft.reports.markdown import summary_markdown

__all__ = ["ComparisonReport", "SliceExample", "summary_markdown", "write_comparison_page"]
