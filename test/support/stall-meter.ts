/** Measures the longest stall of the event loop. */
export interface StallMeter {
  /** Waits until the loop has turned `count` more times, some ms each. */
  ticks(count: number): Promise<void>
  /** Ends the measurement and returns the longest stall, ms. */
  stop(): number
}

const everyMs = 2

export function createStallMeter(): StallMeter {
  let longestMs = 0
  let turns = 0
  let last = performance.now()
  let waiting: { readonly until: number; readonly resolve: () => void }[] = []

  const timer = setInterval(() => {
    const now = performance.now()
    longestMs = Math.max(longestMs, now - last - everyMs)
    last = now
    turns += 1
    for (const { until, resolve } of waiting) if (turns >= until) resolve()
    waiting = waiting.filter(({ until }) => turns < until)
  }, everyMs)

  return {
    ticks: (count) =>
      new Promise((resolve) => {
        waiting.push({ until: turns + count, resolve })
      }),
    stop() {
      clearInterval(timer)
      return Math.max(longestMs, performance.now() - last)
    },
  }
}
