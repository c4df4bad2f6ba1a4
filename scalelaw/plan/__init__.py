"""From a fitted law, costs and budgets to the configuration to deploy."""

from scalelaw.plan.budget import parse_budget
from scalelaw.plan.catalogue import Model, catalogue_families, find_models, list_models, models_in
from scalelaw.plan.hardware import list_hardware
from scalelaw.plan.optimum import Optimum, load_optimum
from scalelaw.plan.search import find_optimum

__all__ = [
    "Model",
    "Optimum",
    "catalogue_families",
    "find_models",
    "find_optimum",
    "list_hardware",
    "list_models",
    "load_optimum",
    "models_in",
    "parse_budget",
]
