"""Walks every method of the public client ``abeja.runs.APIClient``, unchanged.

Run by the Python of a virtual environment that holds ``abeja-sdk`` and nothing of ours. One JSON object a line goes out:
``{"do": hook}`` asks the test to act on the sandbox and to answer with a line, ``{"facts": ...}`` is the end.
"""

import json
import os
import sys
from datetime import datetime

from abeja.exceptions import HttpError
from abeja.runs import APIClient

O, D = os.environ["ABEJA_ORGANIZATION_ID"], os.environ["ABEJA_DEPLOYMENT_IDS"].split(",")[0]  # noqa: E741
V = "ver-1111111111111111"
DATA, TEMPLATE = {"$datalake:1": "2222222222222/20180101T112233"}, {"$datalake:1": "2222222222222"}


def do(hook):
    """Let the test act on the sandbox."""
    sys.stdout.write(json.dumps({"do": hook}) + "\n")
    sys.stdout.flush()
    return json.loads(sys.stdin.readline())


def refusal(work):
    """Class, status, error and detail of the exception that ``work`` raises."""
    try:
        work()
    except HttpError as error:
        return [type(error).__name__, error.status_code, error.error, bool(error.error_description)]
    return None


def credentials(facts):
    """The three kinds, and none."""
    given = do("credentials")
    facts["credentials"] = [APIClient(credential).get_runs(O, D)["entries"] for credential in given]
    facts["no_credentials"] = refusal(lambda: APIClient({}).get_runs(O, D))


def runs(api, facts):
    """create_run, get_run and get_runs with everything they take."""
    made = api.create_run(O, D, V, DATA, TEMPLATE, 3, 0, {"MARK": "full"}, "3333333333333")
    read = api.get_run(O, D, made["run_id"])
    facts["made"] = {
        name: made[name] for name in ("models", "input_data", "output_template", "retry_count", "user_env_vars")
    }
    facts["read"] = [read == {name: made[name] for name in made if name != "distribution"}, made["distribution"]]
    small = api.create_run(O, D, V)
    facts["small"] = [small["retry_count"], small["user_env_vars"], small["status"]]
    do("small_pages")
    down, token = [], None
    while True:
        page = api.get_runs(O, D, token, False) if token else api.get_runs(O, D)
        down += [run["run_id"] for run in page["entries"]]
        token = page["next_page_token"]
        if not token:
            break
    page = api.get_runs(O, D, scan_forward=True)
    up = [run["run_id"] for run in page["entries"]]
    up += [run["run_id"] for run in api.get_runs(O, D, page["next_page_token"], True)["entries"]]
    facts["order"] = [down == [small["run_id"], made["run_id"]], up == down[::-1], bool(page["next_page_token"])]
    return made["run_id"]


def logs(api, facts, run):
    """get_run_logs and get_run_recent_logs with everything they take."""
    do(f"log {run}")
    pages = [api.get_run_logs(O, D, run)]
    while "next_token" in pages[-1]:
        pages.append(api.get_run_logs(O, D, run, pages[-1]["next_token"]))
    facts["logs"] = [[event["message"] for event in page["events"]] for page in pages]
    second = datetime(2026, 1, 1, 0, 0, 1)  # noqa: DTZ001 - the client drops zones
    facts["bounded"] = [event["message"] for event in api.get_run_logs(O, D, run, None, second, second)["events"]]
    recent = api.get_run_recent_logs(O, D, run)
    back = api.get_run_recent_logs(O, D, run, next_backward_token=recent["next_backward_token"])
    end = api.get_run_recent_logs(O, D, run, next_backward_token=back["next_backward_token"])
    ahead = api.get_run_recent_logs(O, D, run, recent["next_forward_token"])
    facts["recent"] = [[event["message"] for event in page["events"]] for page in (recent, back, end, ahead)]
    late = api.get_run_recent_logs(O, D, run, start_time=second, end_time=second)
    facts["recent_bounded"] = [event["message"] for event in late["events"]]


def refusals(api, facts):
    """Every error class the platform can cause."""
    facts["bad"] = refusal(lambda: api.create_run(O, D, V, retry_count=99))
    facts["forbidden"] = refusal(lambda: api.get_runs("1", D))
    facts["unknown"] = refusal(lambda: api.get_run(O, D, "run-0"))
    facts["unauthorized"] = refusal(lambda: APIClient({"auth_token": "wrong"}).get_run(O, D, "run-0"))
    facts["bad_token"] = refusal(lambda: api.get_runs(O, D, "t+/="))
    do("fail")
    facts["failed"] = refusal(lambda: api.get_runs(O, D))


def doubled(api):
    """The known defect: a lost reply, and the client's own retry."""
    do("lose")
    api.create_run(O, D, V, environment={"MARK": "doubled"})


facts = {}
credentials(facts)
api = APIClient(max_retry_count=1)
logs(api, facts, runs(api, facts))
refusals(api, facts)
doubled(api)
sys.stdout.write(json.dumps({"facts": facts}) + "\n")
