"""The brake on guessing passwords."""

from __future__ import annotations

from lab.classroom.brake import FORGIVEN, FREE, KEPT, LONGEST, Brake

WHO = ("192.0.2.7", "ada")


def test_each_wrong_password_waits_longer_up_to_a_bound() -> None:
    """The first few cost nothing, then the wait doubles."""
    brake, waits = Brake(), []
    for now in range(12):
        waits.append(brake.wait(WHO, now))
        brake.wrong(WHO, now)
    assert waits[: FREE + 4] == [0.0] * FREE + [1.0, 2.0, 4.0, 8.0]
    assert waits[-1] == LONGEST


def test_others_do_not_wait() -> None:
    """Neither the trainee whose password is guessed from elsewhere, nor others behind the same address."""
    brake = Brake()
    for now in range(20):
        brake.wrong(WHO, now)
    assert brake.wait(WHO, 20) > 0
    assert brake.wait(("192.0.2.8", "ada"), 20) == 0
    assert brake.wait(("192.0.2.7", "lin"), 20) == 0


def test_it_forgets() -> None:
    """With the right password, or after a while."""
    brake = Brake()
    for now in range(8):
        brake.wrong(WHO, now)
    assert brake.wait(WHO, 8 + FORGIVEN) == 0
    brake.right(WHO)
    assert brake.wait(WHO, 8) == 0


def test_it_keeps_a_bounded_number() -> None:
    """Who makes up logins fills no memory."""
    brake = Brake()
    for number in range(KEPT + 50):
        brake.wrong(("192.0.2.7", f"x{number}"), 0)
    assert len(brake._wrong) == KEPT
