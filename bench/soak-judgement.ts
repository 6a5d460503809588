import type { Vitals } from './vitals.ts'

/** Whether a long storm left something behind: the same rest before and after it, compared. */
export interface Remains {
  readonly process: string
  readonly what: string
  readonly unit: string
  readonly before: number
  /** At most while the storm lasted. */
  readonly during: number
  readonly after: number
  /** `after` may be so much above `before`. */
  readonly allowance: number
  readonly within: boolean
}

export interface SoakReadings {
  readonly before: readonly Vitals[]
  /** One after the other, all processes each time. */
  readonly during: readonly (readonly Vitals[])[]
  readonly after: readonly Vitals[]
}

interface Bound {
  readonly what: string
  readonly unit: string
  readonly allowance: number
  /** What rest is compared by. */
  readonly read: (vitals: Vitals) => number | undefined
  /** What the storm is shown by, where that differs. */
  readonly readDuring?: (vitals: Vitals) => number | undefined
}

/**
 * A leak of 10 bytes a request shows within minutes: a storm has a million. The heap may grow by what
 * the compiler and half-filled caches need, resident memory by what the allocator does not give back.
 */
const bounds: readonly Bound[] = [
  {
    what: 'heap after collection',
    unit: 'MB',
    allowance: 16,
    read: ({ keptHeapMb }) => keptHeapMb,
    readDuring: ({ usedHeapMb }) => usedHeapMb,
  },
  {
    what: 'resident memory',
    unit: 'MB',
    allowance: 128,
    read: ({ residentMb }) => residentMb,
  },
  {
    what: 'open descriptors',
    unit: '',
    allowance: 16,
    read: ({ descriptors }) => descriptors,
  },
  { what: 'timers', unit: '', allowance: 16, read: ({ timers }) => timers },
  { what: 'active resources', unit: '', allowance: 16, read: ({ resources }) => resources },
  {
    what: 'event loop lag p99',
    unit: 'ms',
    allowance: 250,
    read: ({ loopLagMs }) => loopLagMs,
  },
]

export function judgeSoak({ before, during, after }: SoakReadings): readonly Remains[] {
  return before.flatMap((vitals, index) => {
    const then = after[index]
    if (then === undefined) return []
    const meanwhile = during.flatMap((all) => all[index] ?? [])
    return bounds.flatMap((bound) => remainsOf(bound, vitals, then, meanwhile))
  })
}

function remainsOf(
  { what, unit, allowance, read, readDuring = read }: Bound,
  before: Vitals,
  after: Vitals,
  during: readonly Vitals[],
): readonly Remains[] {
  const [first, last] = [read(before), read(after)]
  if (first === undefined || last === undefined) return []
  const most = Math.max(...during.map((vitals) => readDuring(vitals) ?? Number.NEGATIVE_INFINITY))
  // Not a number means that the process is gone, and is never within.
  const within = last - first <= allowance
  return [
    {
      process: before.process,
      what,
      unit,
      before: first,
      during: most,
      after: last,
      allowance,
      within,
    },
  ]
}
