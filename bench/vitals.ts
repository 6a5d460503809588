import type { Contender } from './contender.ts'
import { keptHeapMb } from './inspector.ts'
import { readMetrics } from './operator.ts'
import { countDescriptors, readMemoryMb } from './processes.ts'

/** What must not grow in a process however long it runs. Undefined where it cannot be told. */
export interface Vitals {
  readonly process: string
  /** After a collection; only when that was asked for. */
  readonly keptHeapMb: number | undefined
  /** With garbage. */
  readonly usedHeapMb: number | undefined
  readonly residentMb: number
  readonly descriptors: number
  readonly timers: number | undefined
  /** Sockets, timers, requests and whatever else keeps an event loop alive. */
  readonly resources: number | undefined
  /** p99 since the reading before. */
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

/** What /metrics says, as Prometheus text. */
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
    // A type nobody uses is not listed.
    timers: resources === undefined ? undefined : (timers ?? 0),
    loopLagMs: lagSeconds && lagSeconds * 1000,
  }
}
