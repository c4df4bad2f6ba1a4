"""From a fitted law, costs and budgets to the configuration to deploy."""

from scalelaw.plan.budget import parse_budget
from scalelaw.plan.budget_kinds import Contrast, contrast_budgets
from scalelaw.plan.calibrate import Calibration, calibrate, explain_columns
from scalelaw.plan.catalogue import (
    Model,
    catalogue_families,
    find_models,
    list_towers,
    models_in,
)
from scalelaw.plan.cost_breakdown import explain_flops, find_cost
from scalelaw.plan.hardware import list_hardware
from scalelaw.plan.listing import list_models
from scalelaw.plan.search import find_optimum
from scalelaw.plan.sensitivity import inverse_questions, relaxation, switch_points, tokens_against_text
from scalelaw.plan.serving import serve_optimum
from scalelaw.plan.task_mix import Blend, blend
from scalelaw.results.cost_breakdown import Bill
from scalelaw.results.optimum import Optimum, load_optimum

__all__ = [
    "Bill",
    "Blend",
    "Calibration",
    "Contrast",
    "Model",
    "Optimum",
    "blend",
    "calibrate",
    "catalogue_families",
    "contrast_budgets",
    "explain_columns",
    "explain_flops",
    "find_cost",
    "find_models",
    "find_optimum",
    "inverse_questions",
    "list_hardware",
    "list_models",
    "list_towers",
    "load_optimum",
    "models_in",
    "parse_budget",
    "relaxation",
    "serve_optimum",
    "switch_points",
    "tokens_against_text",
]
