import type { Vitals } from './vitals.ts'

/** A resource of a process at rest before and after a long storm, to see a leak. */
export interface Remains {
  readonly process: string
  readonly what: string
  readonly unit: string
  readonly before: number
  /** The maximum during the storm. */
  readonly during: number
  readonly after: number
  /** `after` may exceed `before` by this much. */
  readonly allowance: number
  readonly within: boolean
}

export interface SoakReadings {
  readonly before: readonly Vitals[]
  /** The readings of all processes, one after the other. */
  readonly during: readonly (readonly Vitals[])[]
  readonly after: readonly Vitals[]
}

interface Bound {
  readonly what: string
  readonly unit: string
  readonly allowance: number
  /** Reads the compared number at rest. */
  readonly read: (vitals: Vitals) => number | undefined
  /** Reads the number shown for the storm, where it is another one. */
  readonly readDuring?: (vitals: Vitals) => number | undefined
}

/**
 * A leak of 10 bytes a request shows within minutes: a storm has a million. The heap may grow by
 * what the compiler and half-filled caches need, resident memory by what the allocator does not
 * give back.
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
  // NaN means that the process is gone, and is never within the bound.
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
