import { setTimeout as pause } from 'node:timers/promises'

/**
 * Waits for a condition without a signal, mostly of a real process.
 * @throws when it is not true within `ms`.
 */
export async function until(
  condition: () => boolean | Promise<boolean>,
  ms: number,
  what = 'the condition',
  everyMs = 5,
): Promise<void> {
  const deadline = performance.now() + ms
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`${what} did not come true within ${ms} ms`)
    await pause(everyMs)
  }
}
