import { setTimeout as pause } from 'node:timers/promises'

/**
 * Waits for something that gives no signal: a real process, mostly.
 * @throws when it does not come true within `ms`.
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
