import type { Contender } from './contender.ts'
import { keptHeapMb } from './inspector.ts'
import { readMetrics } from './operator.ts'
import { countDescriptors, readMemoryMb } from './processes.ts'

/** The resources of a process that must not grow; undefined where a value cannot be read. */
export interface Vitals {
  readonly process: string
  /** The heap after a garbage collection; only in readings at rest. */
  readonly keptHeapMb: number | undefined
  /** The heap with garbage. */
  readonly usedHeapMb: number | undefined
  readonly residentMb: number
  readonly descriptors: number
  readonly timers: number | undefined
  /** Sockets, timers, requests and everything else that keeps an event loop alive. */
  readonly resources: number | undefined
  /** The p99 of the event loop's delay since the previous reading. */
  readonly loopLagMs: number | undefined
}

type Process = Contender['processes'][number]

export function readVitals(processes: readonly Process[]): Promise<readonly Vitals[]> {
  return Promise.all(processes.map((each) => vitalsOf(each, undefined)))
}

/** Collects garbage first: that stops the processes for a moment. */
export async function readVitalsAtRest(processes: readonly Process[]): Promise<readonly Vitals[]> {
  const all: Vitals[] = []
  for (const each of processes) {
    const { inspectorUrl } = each
    const kept = inspectorUrl === undefined ? undefined : await keptHeapMb(inspectorUrl)
    all.push(await vitalsOf(each, kept))
  }
  return all
}

async function vitalsOf(
  { name, pid, origin }: Process,
  keptHeapMb: number | undefined,
): Promise<Vitals> {
  const metrics = origin === undefined ? '' : await readMetrics(origin)
  return {
    ...vitalsIn(metrics),
    process: name,
    keptHeapMb,
    residentMb: readMemoryMb(pid),
    descriptors: countDescriptors(pid),
  }
}

const bytesPerMb = 1024 ** 2

/** Reads the vitals from the Prometheus text of `/metrics`. */
export function vitalsIn(metrics: string) {
  const read = (pattern: RegExp): number | undefined => {
    const found = pattern.exec(metrics)?.[1]
    return found === undefined ? undefined : Number(found)
  }
  const usedHeap = read(/^nodejs_heap_size_used_bytes (\S+)$/m)
  const resources = read(/^nodejs_active_resources_total (\S+)$/m)
  const timers = read(/^nodejs_active_resources\{type="Timeout"\} (\S+)$/m)
  const lagSeconds = read(/^nodejs_eventloop_lag_p99_seconds (\S+)$/m)
  return {
    usedHeapMb: usedHeap && usedHeap / bytesPerMb,
    resources,
    // The metrics list only types of resources in use.
    timers: resources === undefined ? undefined : (timers ?? 0),
    loopLagMs: lagSeconds && lagSeconds * 1000,
  }
}
