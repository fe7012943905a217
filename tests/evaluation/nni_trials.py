"""Trials as they are written for NNI."""

import nni

__all__ = ["one_number", "other_parameters", "several", "silent", "text"]


def one_number() -> None:
    parameters = nni.get_next_parameter()
    nni.report_intermediate_result(0.0)
    nni.report_final_result(-abs(parameters["x"] - 3))


def several() -> None:
    parameters = nni.get_next_parameter()
    nni.report_final_result({"default": parameters["x"], "cost": 2 * nni.get_current_parameter("x")})


def other_parameters() -> None:
    nni.report_final_result(nni.get_next_parameter()["y"])


def silent() -> None:
    nni.get_next_parameter()


def text() -> None:
    nni.report_final_result("good")
