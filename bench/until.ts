import { setTimeout as pause } from 'node:timers/promises'

const everyMs = 10

/**
 * Waits until a condition is true.
 * @throws when it is not in time.
 */
export async function until(
  condition: () => Promise<boolean>,
  withinMs: number,
  what: () => string,
): Promise<void> {
  const deadline = performance.now() + withinMs
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what()}`)
    await pause(everyMs)
  }
}
