import { existsSync, readdirSync, readFileSync } from 'node:fs'

/** Reads the resident memory of a process from /proc, MB. */
export function residentMb(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? Infinity) / 1024
}

export const countFiles = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length

/** Returns how many files this process may open; 0 without /proc. */
export function openFilesLimit(): number {
  if (!existsSync('/proc/self/limits')) return 0
  const limits = readFileSync('/proc/self/limits', 'utf8')
  const soft = /^Max open files +(\S+)/m.exec(limits)?.[1]
  return soft === 'unlimited' ? Infinity : Number(soft)
}
