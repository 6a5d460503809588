import { drawInteger, type Random } from './random.ts'

/** Waits for its turn and runs one task; no other task runs in between. */
export type Step = <T>(task: () => Promise<T>) => Promise<T>

/**
 * Runs actors at the same time, one step at a time: when all of them wait for their turn, one is
 * drawn. Any actor may follow after a step, so that all interleavings of processes are possible.
 */
export async function takeTurns(
  random: Random,
  actors: readonly ((step: Step) => Promise<void>)[],
): Promise<void> {
  const waiting: (() => void)[] = []
  let unfinished = actors.length

  function drawWhenAllWait(): void {
    if (waiting.length < unfinished || waiting.length === 0) return
    const [next] = waiting.splice(drawInteger(random, waiting.length), 1)
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
