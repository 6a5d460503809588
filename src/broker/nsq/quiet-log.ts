import type { Clock } from '../../clock.ts'

/**
 * For what may happen thousands of times a second: tells `say` how often it happened since the last
 * time, at most once per `everyMs`, the first occurrence at once.
 */
export function createQuietLog(
  clock: Clock,
  everyMs: number,
  say: (count: number) => void,
): () => void {
  let saidAt = -Infinity
  let count = 0
  return () => {
    count += 1
    if (clock.monotonic() - saidAt < everyMs) return
    saidAt = clock.monotonic()
    const told = count
    count = 0
    say(told)
  }
}
