from bailiwick.cli.show import printable


def test_what_would_steer_a_terminal_is_spelled_out() -> None:
    assert printable("red \x1b[31m\rbell\x07\nnext é") == "red \\x1b[31m\\x0dbell\\x07\nnext é"
