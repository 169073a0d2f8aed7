"""What librdkafka says when its producer ends, as the sentence that names the record's topic and the reason."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException

from sinks.refusals import fatal, refusal

AROUND = "(broker 1 PID{Id:1000,Epoch:0}, base seq 5)"


def ended(code: int, text: str) -> KafkaException:
    return KafkaException(KafkaError(code, text))


def test_the_broker_s_reason_is_told_as_a_report_would_tell_it() -> None:
    for code in (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.TOPIC_AUTHORIZATION_FAILED):
        reason = KafkaError(code)
        text = f"ProduceRequest for a.b-c_d [7] with 3 message(s) failed: {reason.str()} {AROUND}: unable to satisfy"
        told = fatal(ended(KafkaError._GAPLESS_GUARANTEE, text))
        assert told == refusal("a.b-c_d", 7, reason)
        assert "look at the brokers' logs" not in told


def test_an_end_of_another_kind_is_the_broker_s_error_itself() -> None:
    code = KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER
    text = f"ProduceRequest for t [0] with 1 message(s) failed due to sequence desynchronization {AROUND}"
    assert fatal(ended(code, text)) == refusal("t", 0, KafkaError(code))


def test_an_end_without_a_record_says_nothing_of_one() -> None:
    assert fatal(ended(KafkaError.INVALID_PRODUCER_EPOCH, "failed to acquire a producer id")) is None
