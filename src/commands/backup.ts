import { randomBytes } from 'node:crypto'
import { existsSync, linkSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { createAudit } from '../audit/audit.ts'
import { auditInvariants, type InvariantResult } from '../audit/invariants.ts'
import { systemClock } from '../clock.ts'
import { readFlags, runCommand, UsageError } from '../command-line.ts'
import { loadConfig, readEnvironment } from '../config.ts'
import { openSnapshot, removeFile, syncToDisk, type Snapshot } from '../db/sqlite/snapshot.ts'
import { openSqliteReader } from '../db/sqlite/sqlite-reader.ts'
import { openSimulatedReader } from '../payments/simulator/ledger-reader.ts'
import { StartFailure } from '../start-failure.ts'

const usage = `Usage: npm run backup -- --to <file> [flags]

Copies the database at DATABASE_PATH while it is in use, and the payment simulator's ledger at
PAYMENT_SIMULATOR_PATH beside it as <file>.payment-simulator (not with PAYMENT_PROVIDER_URL). Each copy is
one file of mode 600. They get their names only when quick_check and the audit have passed.

  --to <file>   where to write
  --force       replace files that are there
  --help        this text

Exit code: 0 done, 1 not made (the disk is full, a file is there or unreadable), 2 wrong usage,
3 an invariant is violated in the copy, which was removed; npm run audit says more.`

const violatedExitCode = 3

interface Plan {
  readonly databasePath: string
  /** Undefined when a real provider keeps its books elsewhere, or no simulator has run yet. */
  readonly ledgerPath: string | undefined
  readonly to: string
  readonly isForced: boolean
}

async function run(args: readonly string[]): Promise<number> {
  const plan = readPlan(args)
  refuseToOverwrite(plan)
  // Copies, and the journals beside them, are nobody else's to read at any moment.
  process.umask(0o077)
  removeAbandonedParts(plan.to)
  const parts = partsOf(plan.to)
  try {
    const takenAt = await copyBoth(plan, parts)
    const violated = await violations(plan, parts, takenAt)
    if (violated.length > 0) {
      process.stderr.write(`The copy is removed: it violates ${violated.join(', ')}.\n`)
      return violatedExitCode
    }
    publish(plan, parts)
  } finally {
    removeFile(parts.database)
    removeFile(parts.ledger)
  }
  say(plan)
  return 0
}

function readPlan(args: readonly string[]): Plan {
  const values = readFlags(args, {
    to: { type: 'string' },
    force: { type: 'boolean', default: false },
  })
  if (values.to === undefined || values.to === '') throw new UsageError('--to is missing')
  const config = loadConfig(readEnvironment(), () => randomBytes(24).toString('base64url'))
  const { databasePath, paymentProviderUrl, paymentSimulatorPath } = config
  if (!isFile(databasePath)) throw new StartFailure(`There is no database at ${databasePath}.`)
  const hasLedger = paymentProviderUrl === undefined && isFile(paymentSimulatorPath)
  const ledgerPath = hasLedger ? paymentSimulatorPath : undefined
  return { databasePath, ledgerPath, to: resolve(values.to), isForced: values.force }
}

const isFile = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isFile() ?? false

const ledgerOf = (to: string): string => `${to}.payment-simulator`

function refuseToOverwrite({ databasePath, ledgerPath, to, isForced }: Plan): void {
  if (!existsSync(dirname(to))) throw new StartFailure(`There is no folder ${dirname(to)}.`)
  for (const path of [to, ledgerOf(to)]) {
    if (path === resolve(databasePath) || path === (ledgerPath && resolve(ledgerPath))) {
      throw new StartFailure(`${path} is in use by the program: give another file.`)
    }
    if (existsSync(path) && !isForced) {
      throw new StartFailure(`${path} is there already: give another file, or --force.`)
    }
  }
}

interface Parts {
  readonly database: string
  readonly ledger: string
}

/** The temporary names carry the process id, so that the next run can tell which are abandoned. */
function partsOf(to: string): Parts {
  const suffix = `.${process.pid}.part`
  return { database: `${to}${suffix}`, ledger: `${ledgerOf(to)}${suffix}` }
}

/** Removes what a killed backup to the same file has left. */
function removeAbandonedParts(to: string): void {
  for (const name of readdirSync(dirname(to))) {
    if (!name.startsWith(basename(to))) continue
    const [, pid] = /\.(\d+)\.part(-wal|-shm|-journal)?$/.exec(name) ?? []
    if (pid !== undefined && !isRunning(Number(pid))) rmSync(join(dirname(to), name))
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/**
 * Copies the database and the ledger. Returns the time of the later of the two snapshots, epoch ms.
 * The database is copied first, so that the ledger has every capture that the database has. A
 * capture between the two is only in the ledger, and the audit of a restored copy finds it. In the
 * other order the database would have captures that its ledger does not know.
 */
async function copyBoth(plan: Plan, parts: Parts): Promise<number> {
  const opened: Snapshot[] = []
  try {
    const database = openSnapshot(plan.databasePath)
    opened.push(database)
    const ledger = plan.ledgerPath === undefined ? undefined : openSnapshot(plan.ledgerPath)
    if (ledger !== undefined) opened.push(ledger)
    const takenAt = systemClock.now()
    await database.copyTo(parts.database)
    await ledger?.copyTo(parts.ledger)
    return takenAt
  } finally {
    for (const snapshot of opened) snapshot.close()
  }
}

const auditBudgetMs = 3_600_000

/**
 * The ids of violated invariants. The clock stands at the snapshot: the copy does not age while it
 * is made.
 */
async function violations(plan: Plan, parts: Parts, takenAt: number): Promise<readonly string[]> {
  const clock = { ...systemClock, now: () => takenAt }
  const database = openSqliteReader(parts.database)
  try {
    if (plan.ledgerPath === undefined) return idsOf(await auditInvariants(database))
    const provider = await openSimulatedReader({ path: parts.ledger, clock })
    const audit = createAudit({ database, provider, clock, budgetMs: auditBudgetMs })
    const { invariants, unchecked } = await audit().finally(() => provider.close())
    if (unchecked.length > 0) throw new StartFailure(`Not checked: ${unchecked.join('; ')}`)
    return idsOf(invariants)
  } finally {
    await database.close()
  }
}

const idsOf = (results: readonly InvariantResult[]): readonly string[] =>
  results.filter(({ violations: count }) => count > 0).map(({ id }) => id)

/** The ledger gets its name first: where the database is, the backup is complete. */
function publish({ ledgerPath, to, isForced }: Plan, parts: Parts): void {
  const name = isForced ? renameSync : giveNewName
  if (ledgerPath !== undefined) name(parts.ledger, ledgerOf(to))
  name(parts.database, to)
  syncToDisk(to)
}

/** Unlike a rename it fails when somebody has made the file meanwhile. */
function giveNewName(from: string, to: string): void {
  linkSync(from, to)
  rmSync(from)
}

function say({ databasePath, ledgerPath, to }: Plan): void {
  const megabytes = (statSync(to).size / 1e6).toFixed(1)
  const lines = [`${databasePath} → ${to} (${megabytes} MB), quick_check and audit passed`]
  if (ledgerPath !== undefined) lines.push(`${ledgerPath} → ${ledgerOf(to)}`)
  process.stdout.write(`${lines.join('\n')}\n`)
}

await runCommand({ usage, failureExitCode: 1, run })
