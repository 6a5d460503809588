/**
 * Measures the longest stall of the event loop in CPU time. Other programs on the machine keep this one
 * waiting, but they do not use its CPU time: a busy machine makes no stall.
 */
export interface StallMeter {
  /** Waits until the loop has turned `count` more times, some ms each. */
  ticks(count: number): Promise<void>
  /** Counts the turns so far. A loop that is held makes none, whatever holds it. */
  turns(): number
  /** Ends the measurement and returns the longest stall, ms of CPU time. */
  stop(): number
}

const everyMs = 2

export function createStallMeter(): StallMeter {
  let longestMs = 0
  let turns = 0
  let last = read()
  let waiting: { readonly until: number; readonly resolve: () => void }[] = []

  function measure(): void {
    const now = read()
    const stallMs = Math.min(now.wallMs - last.wallMs - everyMs, now.cpuMs - last.cpuMs)
    longestMs = Math.max(longestMs, stallMs)
    last = now
  }

  const timer = setInterval(() => {
    measure()
    turns += 1
    for (const { until, resolve } of waiting) if (turns >= until) resolve()
    waiting = waiting.filter(({ until }) => turns < until)
  }, everyMs)

  return {
    ticks: (count) =>
      new Promise((resolve) => {
        waiting.push({ until: turns + count, resolve })
      }),
    turns: () => turns,
    stop() {
      clearInterval(timer)
      measure()
      return longestMs
    },
  }
}

function read(): { readonly wallMs: number; readonly cpuMs: number } {
  const { user, system } = process.cpuUsage()
  return { wallMs: performance.now(), cpuMs: (user + system) / 1_000 }
}
