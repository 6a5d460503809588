import { execFileSync } from 'node:child_process'
import { arch, cpus, loadavg, platform, release, totalmem } from 'node:os'
import { Sqlite } from '../src/db/sqlite/driver.ts'
import { repository } from './processes.ts'

/** The machine and the versions of a run. */
export interface Machine {
  readonly processor: string
  readonly memoryGb: number
  readonly system: string
  readonly node: string
  readonly sqlite: string
  readonly nsqd: string
  /** With `+ changes` when the working copy is not that commit. */
  readonly commit: string
  /** Load average of the minute before. */
  readonly loadBefore: number
}

export function readMachine(nsqdBinary: string | undefined): Machine {
  const processors = cpus()
  return {
    processor: `${processors.length} × ${processors[0]?.model.trim() ?? 'unknown'}`,
    memoryGb: Math.round(totalmem() / 1024 ** 3),
    system: `${platform()} ${release()} ${arch()}`,
    node: process.version,
    sqlite: sqliteVersion(),
    nsqd: nsqdBinary === undefined ? 'missing' : say(nsqdBinary, '--version'),
    commit: commit(),
    loadBefore: loadavg()[0] ?? 0,
  }
}

/** A higher load average means that other programs use the machine. */
const quietLoadMax = 0.5

export function isQuiet({ loadBefore }: Machine): boolean {
  return loadBefore <= quietLoadMax
}

function commit(): string {
  const hash = say('git', 'rev-parse', '--short=12', 'HEAD')
  // The report itself is written into the working copy.
  const changed = say('git', 'status', '--porcelain', '--', '.', ':!docs/benchmarks.md')
  return changed === '' ? hash : `${hash} + changes`
}

function say(command: string, ...args: readonly string[]): string {
  try {
    return execFileSync(command, args, {
      cwd: repository,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  } catch {
    return 'unknown'
  }
}

function sqliteVersion(): string {
  const connection = new Sqlite(':memory:')
  try {
    return String(connection.prepare('select sqlite_version()').pluck().get())
  } finally {
    connection.close()
  }
}
