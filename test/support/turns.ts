/** Numbers that look random and are the same again for the same seed; 0 ≤ number < 1. */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** One of `choices`, none of which is undefined. */
export function pick<T>(random: () => number, choices: readonly [T, ...T[]]): T {
  return choices[Math.floor(random() * choices.length)] ?? choices[0]
}

/** Waits for its turn, then does one thing that nobody else can get into the middle of. */
export type Step = <T>(task: () => Promise<T>) => Promise<T>

/**
 * Runs actors at the same time, one step at a time: when all that are left wait for their turn, one
 * is drawn. Between two steps anybody may be next, which is how processes interleave.
 */
export async function takeTurns(
  random: () => number,
  actors: readonly ((step: Step) => Promise<void>)[],
): Promise<void> {
  const waiting: (() => void)[] = []
  let unfinished = actors.length

  function drawWhenAllWait(): void {
    if (waiting.length < unfinished || waiting.length === 0) return
    const [next] = waiting.splice(Math.floor(random() * waiting.length), 1)
    next?.()
  }

  const step: Step = (task) =>
    new Promise<void>((resolve) => {
      waiting.push(resolve)
      drawWhenAllWait()
    }).then(task)

  await Promise.all(
    actors.map(async (actor) => {
      try {
        await actor(step)
      } finally {
        unfinished -= 1
        drawWhenAllWait()
      }
    }),
  )
}
