"""A chat model as a tool: what stands on the record, what is charged, and what a catalogue shows."""

from __future__ import annotations

from typing import Any

from bailiwick.effects import Cost, EffectClass, Fidelity, Obtained
from bailiwick.models import ChatModel, Completion, Message, chat_tool
from bailiwick.testing import run
from bailiwick.testing.model_server import Misbehaviour, ModelDouble

HELLO = [Message(role="user", content="hello there")]
WITHOUT_USAGE = Misbehaviour(body=b'{"model": "double", "choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}')


def _use(*ordered: Misbehaviour, **arguments: Any) -> tuple[Obtained[Completion], ModelDouble]:
    async def main() -> tuple[Obtained[Completion], ModelDouble]:
        async with ModelDouble() as double:
            double.misbehave(*ordered)
            return await chat_tool(ChatModel(double.url, "double"))(messages=HELLO, **arguments), double

    return run(main())


def test_a_chat_tool_reads_in_the_event_loop_and_holds_what_an_answer_may_cost() -> None:
    tool = chat_tool(ChatModel("http://localhost:8000"))
    assert (tool.name, tool.effect, tool.where, tool.undo) == ("chat", EffectClass.READ, "loop", None)
    assert tool.estimate == Cost(tokens=1024)


def test_two_models_are_two_tools_with_names_and_estimates_of_their_own() -> None:
    tool = chat_tool(ChatModel("http://localhost:8000"), name="ask_planner", estimate=Cost(tokens=7))
    assert (tool.name, tool.estimate) == ("ask_planner", Cost(tokens=7))


def test_the_tokens_the_server_counted_are_charged() -> None:
    obtained, double = _use()
    assert obtained.value.text == "hello there"
    assert obtained.fidelity is Fidelity.EXACT
    assert obtained.cost == Cost(tokens=2 + 2, sent_bytes=len(double.asked[0].body))


def test_where_the_server_counts_none_the_most_it_can_have_been_is_charged() -> None:
    obtained, double = _use(WITHOUT_USAGE, max_tokens=300)
    sent_bytes = len(double.asked[0].body)
    assert obtained.cost == Cost(tokens=sent_bytes + 300, sent_bytes=sent_bytes)
    assert obtained.value.prompt_tokens is None


def test_the_arguments_reach_the_model() -> None:
    _, double = _use(temperature=0.25, max_tokens=9, seed=4, schema=None)
    asked = double.asked[0].json
    assert (asked["temperature"], asked["max_tokens"], asked["seed"]) == (0.25, 9, 4)


def test_a_schema_reaches_the_model() -> None:
    async def main() -> Any:
        async with ModelDouble(lambda _: "7") as double:
            await chat_tool(ChatModel(double.url, "double"))(messages=HELLO, schema={"type": "integer"})
            return double.asked[0].json["response_format"]["json_schema"]["schema"]

    assert run(main()) == {"type": "integer"}


def test_question_and_answer_cross_the_wire_unchanged() -> None:
    signature = chat_tool(ChatModel("http://localhost:8000")).signature
    question = signature.pack((HELLO,), {"temperature": 0, "schema": {"type": "integer"}})
    assert signature.unpack(question) == {"messages": HELLO, "temperature": 0.0, "schema": {"type": "integer"}}
    answer = Completion(text="hi", model="m", asked_model="m", finish_reason="stop", prompt_tokens=1, completion_tokens=2, sent_bytes=3)
    assert signature.unpack_result(signature.pack_result(answer)) == answer


def test_the_schema_of_the_tool_says_what_it_takes_and_gives() -> None:
    schema = chat_tool(ChatModel("http://localhost:8000")).schema()
    assert schema["effect"] == "read"
    assert schema["arguments"]["required"] == ["messages"]
    assert set(schema["arguments"]["properties"]) == {"messages", "temperature", "max_tokens", "seed", "schema"}
    assert {"Message", "Completion"} <= set(schema["$defs"])
    assert schema["description"]
