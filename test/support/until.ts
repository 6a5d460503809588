import { setTimeout as pause } from 'node:timers/promises'

/**
 * Nothing that works takes this long, even on two cores under a load of 12. A shorter bound would judge the
 * machine and not the program.
 */
const hangMs = 60_000

/**
 * Waits for a condition without a signal, mostly of a real process.
 * @throws when it is not true within `ms`, or within a minute when `ms` is less: it only catches hangs.
 */
export async function until(
  condition: () => boolean | Promise<boolean>,
  ms: number,
  what = 'the condition',
  everyMs = 5,
): Promise<void> {
  const withinMs = Math.max(ms, hangMs)
  const deadline = performance.now() + withinMs
  while (!(await condition())) {
    if (performance.now() > deadline)
      throw new Error(`${what} did not come true within ${withinMs} ms`)
    await pause(everyMs)
  }
}
