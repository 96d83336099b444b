"""The metrics count what the engine tells, under the names that alerts and dashboards use."""

import inspect

from monitoring.events import Fan, Observer, Silent
from monitoring.metrics import METRICS, Metrics


def lines(metrics: Metrics) -> list[str]:
    return metrics.exposition().decode().splitlines()


def test_every_metric_has_a_name_of_ours_and_says_what_it_answers() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert metric.name.startswith("hub_")
        assert metric.answers.endswith(("?", ".")), metric.name
        assert metric.name.endswith("_total") == (metric.sort == "counter")


def test_an_exchange_is_counted_and_timed() -> None:
    metrics = Metrics(lambda: 0.0)
    metrics.exchange("c", "police", "lookup_citizen", "answered", "agency", "", 0.03, "")
    text = lines(metrics)
    assert (
        'hub_exchanges_total{agency="police",blame="agency",operation="lookup_citizen",outcome="answered"} 1.0' in text
    )
    assert (
        'hub_exchange_seconds_bucket{agency="police",le="0.02",operation="lookup_citizen",outcome="answered"} 0.0'
        in text
    )
    assert (
        'hub_exchange_seconds_bucket{agency="police",le="0.05",operation="lookup_citizen",outcome="answered"} 1.0'
        in text
    )


def test_a_hold_counts_down_and_ends() -> None:
    now = [100.0]
    metrics = Metrics(lambda: now[0])
    metrics.hold("tax", "busy", 30.0)
    metrics.hold("police", "operator", None)
    now[0] = 110.0
    assert 'hub_hold_seconds{agency="tax",cause="busy"} 20.0' in lines(metrics)
    assert 'hub_hold_seconds{agency="police",cause="operator"} +Inf' in lines(metrics)
    now[0] = 140.0
    metrics.lane("police", {"hold_seconds/operator": 0.0})
    assert 'hub_hold_seconds{agency="tax",cause="busy"} 0.0' in lines(metrics)
    assert 'hub_hold_seconds{agency="police",cause="operator"} 0.0' in lines(metrics)


def test_who_needs_a_person_is_counted_anew_each_time() -> None:
    metrics = Metrics(lambda: 0.0)
    metrics.needing("npsp", 3, 1, 4)
    metrics.needing("npsp", 0, 2, 0)
    assert 'hub_dead_letters{agency="npsp"} 0.0' in lines(metrics)
    assert 'hub_in_doubt{agency="npsp"} 2.0' in lines(metrics)


def test_a_held_route_shows_once_and_its_lanes_do_not() -> None:
    now = [100.0]
    metrics = Metrics(lambda: now[0])
    metrics.route_hold("lgsp", "auth", 30.0)
    metrics.lane("police", {"rate_limit": 5.0})
    now[0] = 110.0
    text = lines(metrics)
    assert 'hub_route_hold_seconds{cause="auth",route="lgsp"} 20.0' in text
    assert not [line for line in text if line.startswith("hub_hold_seconds{")]


def test_a_hold_that_somebody_ended_early_is_gone() -> None:
    metrics = Metrics(lambda: 100.0)
    metrics.route_hold("lgsp", "operator", None)
    metrics.hold("police", "operator", None)
    metrics.hold("tax", "busy", 9.0)
    metrics.route("lgsp", {"hold_seconds/busy": 5.0})
    metrics.lane("police", {})
    text = lines(metrics)
    assert 'hub_route_hold_seconds{cause="operator",route="lgsp"} 0.0' in text
    assert 'hub_route_hold_seconds{cause="busy",route="lgsp"} 5.0' in text
    assert 'hub_hold_seconds{agency="police",cause="operator"} 0.0' in text
    assert 'hub_hold_seconds{agency="tax",cause="busy"} 9.0' in text


def test_a_hold_of_a_route_has_a_metric_of_its_own() -> None:
    now = [100.0]
    metrics = Metrics(lambda: now[0])
    metrics.route_hold("lgsp", "operator", None)
    metrics.hold("lgsp", "operator", 30.0)
    assert 'hub_route_hold_seconds{cause="operator",route="lgsp"} +Inf' in lines(metrics)
    metrics.route_hold("lgsp", "operator", 0.0)
    assert 'hub_route_hold_seconds{cause="operator",route="lgsp"} 0.0' in lines(metrics)
    assert 'hub_hold_seconds{agency="lgsp",cause="operator"} 30.0' in lines(metrics)


def test_the_numbers_of_a_lane_become_gauges_with_their_labels() -> None:
    metrics = Metrics(lambda: 0.0)
    metrics.lane(
        "police",
        {
            "queue_calls/counter/interactive": 3,
            "concurrency_in_use": 2,
            "route_hold_seconds/lgsp/busy": 4,
            "unheard_of": 1,
        },
    )
    text = lines(metrics)
    assert 'hub_queue_calls{agency="police",class="counter",line="interactive"} 3.0' in text
    assert 'hub_concurrency_in_use{agency="police"} 2.0' in text
    assert 'hub_route_hold_seconds{cause="busy",route="lgsp"} 4.0' in text
    assert not [line for line in text if "unheard_of" in line]


def test_the_rest_is_counted() -> None:
    metrics = Metrics(lambda: 0.0)
    metrics.admission("police", "counter", "refused", "lane.full")
    metrics.inbound("npsp", "dossier_progressed", "rate")
    metrics.call_ended("c", "police", "lookup_citizen", "answered", "", 0.004, "")
    metrics.drift("police", "lookup_citizen", ("/a",))
    metrics.commit(0.0007, 4)
    metrics.loop_lag(0.06)
    metrics.retention({"calls": 50, "journal": 3})
    metrics.retention({"calls": 7})
    text = lines(metrics)
    assert 'hub_admission_total{agency="police",class="counter",decision="refused",reason="lane.full"} 1.0' in text
    assert 'hub_inbound_total{agency="npsp",decision="rate",notice="dossier_progressed"} 1.0' in text
    assert 'hub_calls_total{agency="police",operation="lookup_citizen",state="answered"} 1.0' in text
    assert 'hub_drift_total{agency="police",operation="lookup_citizen"} 1.0' in text
    assert 'hub_store_commit_seconds_bucket{le="0.001"} 1.0' in text
    assert 'hub_loop_lag_seconds_bucket{le="0.05"} 0.0' in text
    assert "hub_overhead_seconds_count 1.0" in text
    assert 'hub_retention_rows_total{kind="calls"} 57.0' in text
    assert 'hub_retention_rows_total{kind="journal"} 3.0' in text


def test_a_fan_tells_every_observer_everything() -> None:
    told: list[tuple[str, str]] = []

    def listener(who: str) -> Observer:
        def method(name: str) -> object:
            return lambda *_: told.append((who, name))

        return type("Listener", (), {name: staticmethod(method(name)) for name in names})()  # type: ignore[return-value]

    names = [name for name, _ in inspect.getmembers(Observer, inspect.isfunction) if not name.startswith("_")]
    fan, silent = Fan(listener("first"), listener("second")), Silent()
    for name in names:
        count = len(inspect.signature(getattr(silent, name)).parameters)
        getattr(silent, name)(*range(count))
        getattr(fan, name)(*range(count))
    assert told == [(who, name) for name in names for who in ("first", "second")]


def test_a_node_that_left_is_not_shown_any_more() -> None:
    metrics = Metrics(lambda: 0.0)
    metrics.nodes({"hub_1": 0.5, "hub_2": 12.0}, frozenset({"hub_1"}), "redis")
    shown = metrics.exposition().decode()
    assert 'hub_node_age_seconds{node="hub_2"} 12.0' in shown
    assert ('hub_granting{by="redis"} 1.0' in shown, 'hub_granting{by="shares"} 0.0' in shown) == (True, True)
    metrics.nodes({"hub_1": 0.5}, frozenset({"hub_1"}), "none")
    shown = metrics.exposition().decode()
    assert "hub_2" not in shown
    assert ('hub_granting{by="redis"} 0.0' in shown, 'hub_granting{by="none"} 1.0' in shown) == (True, True)
