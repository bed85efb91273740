"""Self-contained pages and tables that show what a comparison or an evaluation found."""

from neurograft.reports.comparison import ComparisonReport, SliceExample
from neurograft.reports.comparison_page import write_comparison_page
from neurograft.reports.evaluation import EvaluationReport
from neurograft.reports.evaluation_page import write_evaluation_page
from neurograft.reports.markdown import summary_markdown
from neurograft.reports.methods import MethodsReport
from neurograft.reports.methods_page import write_methods_page

__all__ = [
    "ComparisonReport",
    "EvaluationReport",
    "MethodsReport",
    "SliceExample",
    "summary_markdown",
    "write_comparison_page",
    "write_evaluation_page",
    "write_methods_page",
]
