"""A whole life of a raft world: mischief for a while, then calm; the judges watch throughout."""

from tests.sim.raft_world import GUSTY, STORM, World

MISFORTUNES = 90


def live(world: World) -> None:
    """Raises AssertionError."""
    for _ in range(MISFORTUNES):
        world.run(world.now_ms + world.rng.randrange(world.weather.gap_ms))
        world.mischief()
        if world.rng.random() < 0.3:
            world.judge_logs()
            world.judge_voters()
    world.heal()
    # The longest that a message is late, some rounds of elections, and time to fetch.
    times = world.weather.settings
    world.run(world.now_ms + world.weather.latest_ms + 4 * times.fetch_timeout_ms)
    for node in world.leading():
        world.append(node, 1)
    world.run(world.now_ms + 2 * times.fetch_timeout_ms)
    world.judge_logs()
    world.judge_voters()
    world.judge_end()


def play(seed: int) -> World:
    """A life of the kind that this seed has: fixed voters or changing ones, gusty or in a storm."""
    weather = STORM if seed % 2 else GUSTY
    try:
        if seed % 3:
            world = World(seed, weather, voters=(3, 3, 5, 2, 4)[seed % 5], observers=seed % 2, snapshots=seed % 4 > 0)
        else:
            world = World(seed, weather, voters=1 + seed % 4, observers=2, dynamic=True)
        live(world)
    except BaseException as e:
        e.add_note(f"in the raft world of seed {seed}")
        raise
    return world
