import { existsSync, readFileSync } from 'node:fs'
import { request } from 'undici'

/** The peak of a process's resident memory. */
export interface PeakMemory {
  readonly process: string
  /** The peak; null when it could not be read. */
  readonly megabytes: number | null
  readonly source: 'kernel' | 'sampled from /metrics'
}

export interface MemoryWatch {
  /** Reads the peaks and ends the sampling. */
  stop(): Promise<readonly PeakMemory[]>
}

/** A process to watch: one of this run by its pid, any other by its `/metrics`. */
export interface Watched {
  readonly name: string
  readonly pid: number | null
  readonly metricsOrigin: string | null
}

const sampleEveryMs = 1_000
const answersWithinMs = 5_000
const bytesPerMegabyte = 1_000_000
const kernelUnitBytes = 1_024

/**
 * Watches the peaks. The kernel remembers them; for a remote process `/metrics` is read every
 * second.
 */
export function watchMemory(watched: readonly Watched[]): MemoryWatch {
  const sampled = new Map<string, number>()
  const toSample = watched.filter(({ pid }) => pid === null || !hasStatus(pid))
  const sample = async (): Promise<void> => {
    await Promise.all(
      toSample.map(async ({ name, metricsOrigin }) => {
        if (metricsOrigin === null) return
        const bytes = await residentBytes(metricsOrigin)
        if (bytes !== null) sampled.set(name, Math.max(bytes, sampled.get(name) ?? 0))
      }),
    )
  }
  let sampling = sample()
  const timer = setInterval(() => {
    // Servers are asked one after the other, so that a busy one never gets ten questions at once.
    sampling = sampling.then(sample)
  }, sampleEveryMs)
  return {
    async stop() {
      clearInterval(timer)
      await sampling
      const others = watched.map(({ name, pid }): PeakMemory => {
        const kernel = pid === null ? null : kernelPeakBytes(pid)
        const source = kernel === null ? 'sampled from /metrics' : 'kernel'
        return { process: name, megabytes: megabytesOf(kernel ?? sampled.get(name)), source }
      })
      return [ownPeak(), ...others]
    },
  }
}

/**
 * Reads the own peak from /proc if possible: `resourceUsage` begins with the peak of the parent
 * process.
 */
function ownPeak(): PeakMemory {
  const bytes = kernelPeakBytes(process.pid) ?? process.resourceUsage().maxRSS * kernelUnitBytes
  return { process: 'bots', megabytes: megabytesOf(bytes), source: 'kernel' }
}

const megabytesOf = (bytes: number | undefined): number | null =>
  bytes === undefined ? null : Math.round(bytes / bytesPerMegabyte)

const hasStatus = (pid: number): boolean => existsSync(`/proc/${pid}/status`)

function kernelPeakBytes(pid: number): number | null {
  if (!hasStatus(pid)) return null
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]
  return kilobytes === undefined ? null : Number(kilobytes) * kernelUnitBytes
}

async function residentBytes(origin: string): Promise<number | null> {
  try {
    const signal = AbortSignal.timeout(answersWithinMs)
    const response = await request(`${origin}/metrics`, { signal })
    const text = await response.body.text()
    const bytes = Number(/^process_resident_memory_bytes(?:\{.*\})? (\S+)$/m.exec(text)?.[1])
    return Number.isFinite(bytes) ? bytes : null
  } catch {
    return null
  }
}
