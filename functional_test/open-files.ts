import { existsSync, readFileSync } from 'node:fs'
import { SetupError } from './setup-error.ts'

/**
 * This file checks, before the race, that the limit of open files is high enough. A connection is
 * an open file at both ends. Node raises its own limit to the hard limit when it starts.
 */

/** One bot in five clicks twice, on a second connection; some pay on three at once. */
const connectionsPerBot = 1.25
/** Files of Node itself, of the database and of watchers. */
const otherFiles = 200

export const filesNeeded = (bots: number): number =>
  Math.ceil(bots * connectionsPerBot) + otherFiles

const botsFor = (files: number): number =>
  Math.max(0, Math.floor((files - otherFiles) / connectionsPerBot))

/** The process with the limit, for messages. */
export type Owner = 'this program' | 'the started program'

/**
 * @param files what the process may open; null when the system does not say.
 * @throws SetupError saying what to do when `bots` shoppers do not fit.
 */
export function requireOpenFiles(owner: Owner, files: number | null, bots: number): void {
  const needed = filesNeeded(bots)
  if (files === null || files >= needed) return
  throw new SetupError(
    [
      `${bots} bots need ${needed} open files, ${owner} may open ${files}. Either`,
      `  raise the limit in this shell and start again: ulimit -n ${needed}`,
      '    (refused? The hard limit is lower. Linux: nofile in /etc/security/limits.conf, LimitNOFILE of',
      '    the systemd unit, or docker run --ulimit nofile=…; macOS: sudo launchctl limit maxfiles …)',
      `  or run fewer bots, which fit: --bots ${botsFor(files)}`,
    ].join('\n'),
  )
}

/** Returns the soft limit of this process, which Node has raised as far as it may. */
export function ownOpenFiles(): number | null {
  const linux = openFilesOf('self')
  if (linux !== null) return linux
  // Without this the report looks up the names of all network addresses, which can take seconds.
  Object.assign(process.report, { excludeNetwork: true })
  const report = process.report.getReport() as {
    readonly userLimits?: { readonly open_files?: { readonly soft: number | string } }
  }
  return limitOf(`${report.userLimits?.open_files?.soft ?? ''}`)
}

/** Returns the limit of any process; null without /proc, as on macOS. */
export function openFilesOf(pid: number | 'self'): number | null {
  const path = `/proc/${pid}/limits`
  if (!existsSync(path)) return null
  return limitOf(/^Max open files +(\S+)/m.exec(readFileSync(path, 'utf8'))?.[1] ?? '')
}

function limitOf(written: string): number | null {
  if (written === 'unlimited') return Infinity
  return /^\d+$/.test(written) ? Number(written) : null
}
