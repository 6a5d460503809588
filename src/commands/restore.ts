import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  linkSync,
  renameSync,
  statSync,
  type Stats,
} from 'node:fs'
import { dirname, resolve } from 'node:path'
import { createAudit, type AuditReport } from '../audit/audit.ts'
import { auditInvariants } from '../audit/invariants.ts'
import { systemClock } from '../clock.ts'
import { readFlags, runCommand, UsageError } from '../command-line.ts'
import { loadConfig, readEnvironment } from '../config.ts'
import type { Database } from '../db/database.ts'
import { recordForgottenCapture } from '../db/forgotten-captures.ts'
import { beginHistory } from '../db/installation.ts'
import { migrate, readMigrations } from '../db/migrate.ts'
import {
  checkFile,
  claimFile,
  neighbours,
  removeFile,
  syncToDisk,
  type ExclusiveClaim,
} from '../db/sqlite/snapshot.ts'
import { openSqlite } from '../db/sqlite/sqlite-database.ts'
import { openSqliteReader } from '../db/sqlite/sqlite-reader.ts'
import { migrationsFolder } from '../holdfast.ts'
import { makeFolder } from '../make-folder.ts'
import { openSimulatedReader } from '../payments/simulator/ledger-reader.ts'
import { StartFailure } from '../start-failure.ts'

const usage = `Usage: npm run restore -- --from <file> [flags]

Puts a copy that npm run backup has made at DATABASE_PATH. Stop every process first; it refuses while one
uses the database. The ledger of the payment simulator, <file>.payment-simulator, goes to
PAYMENT_SIMULATOR_PATH when nothing is there: a ledger that is there knows more than the copy and stays.
Payments that the ledger has captured and the copy has forgotten are put on the attention list.

  --from <file>   the copy; it is not changed
  --force         replace the database that is there, and keep it as <path>.before-restore-<time>
  --help          this text

Exit code: 0 done, 1 nothing was changed (a process uses the database, one is there, the copy is damaged),
2 wrong usage, 3 nothing was changed because an invariant is violated in the copy.`

const violatedExitCode = 3

interface Plan {
  readonly from: string
  readonly databasePath: string
  /** Undefined with a real provider, which keeps its own books. */
  readonly ledgerPath: string | undefined
  readonly isForced: boolean
}

async function run(args: readonly string[]): Promise<number> {
  const plan = readPlan(args)
  process.umask(0o077)
  const old = statSync(plan.databasePath, { throwIfNoEntry: false })
  const claim = old === undefined ? undefined : claimOld(plan)
  const part = `${plan.databasePath}.restoring`
  try {
    removeFile(part)
    const violated = await prepare(plan, part)
    if (violated.length > 0) {
      process.stderr.write(`Nothing was changed: the copy violates ${violated.join(', ')}.\n`)
      return violatedExitCode
    }
    const ledger = restoreLedger(plan)
    const forgotten = await compareWithLedger(plan, part)
    const kept = replace(plan, part, old)
    say(plan, { ledger, forgotten, kept })
    return 0
  } finally {
    removeFile(part)
    claim?.release()
  }
}

function readPlan(args: readonly string[]): Plan {
  const values = readFlags(args, {
    from: { type: 'string' },
    force: { type: 'boolean', default: false },
  })
  if (values.from === undefined || values.from === '') throw new UsageError('--from is missing')
  const from = resolve(values.from)
  const config = loadConfig(readEnvironment(), () => randomBytes(24).toString('base64url'))
  const databasePath = resolve(config.databasePath)
  if (!isFile(from)) throw new StartFailure(`There is no copy at ${from}.`)
  if (from === databasePath) throw new StartFailure(`${from} is the database itself.`)
  if (isFile(`${from}-wal`)) {
    throw new StartFailure(
      `${from} has a -wal beside it, so it is in use or half a copy: make one with npm run backup.`,
    )
  }
  if (existsSync(databasePath) && !values.force) {
    throw new StartFailure(
      `There is a database at ${databasePath}: --force replaces it, and keeps it beside.`,
    )
  }
  makeFolder(dirname(databasePath))
  const isSimulated = config.paymentProviderUrl === undefined
  const ledgerPath = isSimulated ? resolve(config.paymentSimulatorPath) : undefined
  return { from, databasePath, ledgerPath, isForced: values.force }
}

const isFile = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isFile() ?? false

/** A file that is so damaged that SQLite cannot even lock it has no user. */
const beyondUse = /SQLITE_(NOTADB|CORRUPT)/

/** @throws StartFailure when a process uses the database. */
function claimOld({ databasePath }: Plan): ExclusiveClaim | undefined {
  try {
    return claimFile(databasePath)
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    if (beyondUse.test(message)) return undefined
    if (!message.includes('SQLITE_BUSY')) throw error
    throw new StartFailure(`A process uses ${databasePath}: stop all of them first.`)
  }
}

/** Makes the new file beside the old one: checked, migrated and with a history of its own. */
async function prepare({ from }: Plan, part: string): Promise<readonly string[]> {
  copyFileSync(from, part)
  chmodSync(part, 0o600)
  checkFile(part)
  await withDatabase(part, async (database) => {
    await migrate(database, readMigrations(migrationsFolder), systemClock.now())
    const historyId = randomBytes(16).toString('hex')
    await database.transaction(() => beginHistory(historyId, systemClock.now()))
  })
  const reader = openSqliteReader(part)
  try {
    const results = await auditInvariants(reader)
    return results.filter(({ violations }) => violations > 0).map(({ id }) => id)
  } finally {
    await reader.close()
  }
}

async function withDatabase<T>(path: string, use: (database: Database) => Promise<T>): Promise<T> {
  const database = openSqlite({ path, clock: systemClock, random: Math.random })
  try {
    return await use(database)
  } finally {
    await database.close()
  }
}

type LedgerStep = 'restored' | 'kept' | 'none'

function restoreLedger({ from, ledgerPath }: Plan): LedgerStep {
  if (ledgerPath === undefined) return 'none'
  if (existsSync(ledgerPath)) return 'kept'
  const copy = `${from}.payment-simulator`
  if (!isFile(copy)) return 'none'
  checkFile(copy)
  makeFolder(dirname(ledgerPath))
  setAsideLeftovers(ledgerPath)
  const part = `${ledgerPath}.restoring`
  copyFileSync(copy, part)
  takeOwner(part, statSync(dirname(ledgerPath)))
  renameSync(part, ledgerPath)
  syncToDisk(ledgerPath)
  return 'restored'
}

/** A capture of the last minute counts, too: nothing is under way now. */
const graceMs = 60_000
const ourIdPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** Puts on the attention list what the ledger has captured and the copy does not know. Returns how many. */
async function compareWithLedger({ ledgerPath }: Plan, part: string): Promise<number> {
  if (ledgerPath === undefined || !isFile(ledgerPath)) return 0
  let found = 0
  for (;;) {
    const { strays } = await audit(part, ledgerPath)
    const recorded = await withDatabase(part, (database) =>
      database.transaction(function* () {
        let count = 0
        for (const stray of strays) {
          if (!ourIdPattern.test(stray.paymentId)) continue
          if (yield* recordForgottenCapture(stray, systemClock.now())) count += 1
        }
        return count
      }),
    )
    found += recorded
    // An audit lists a thousand; the next one lists what is left.
    if (recorded === 0) return found
  }
}

async function audit(path: string, ledgerPath: string): Promise<AuditReport> {
  const clock = { ...systemClock, now: () => systemClock.now() + graceMs }
  const database = openSqliteReader(path)
  try {
    const provider = await openSimulatedReader({ path: ledgerPath, clock })
    return await createAudit({ database, provider, clock })().finally(() => provider.close())
  } finally {
    await database.close()
  }
}

/** Puts the new file in place in one step. Returns where the old one is kept. */
function replace({ databasePath }: Plan, part: string, old: Stats | undefined): string | undefined {
  checkFile(part)
  takeOwner(part, old ?? statSync(dirname(databasePath)), old?.mode)
  syncToDisk(part)
  const kept = setAsideLeftovers(databasePath)
  if (old !== undefined) linkSync(databasePath, kept)
  renameSync(part, databasePath)
  syncToDisk(databasePath)
  return old === undefined ? undefined : kept
}

/** Moves a `-wal` of another file away, which SQLite would play into the new one. Returns the name it took. */
function setAsideLeftovers(path: string): string {
  const time = new Date(systemClock.now()).toISOString().replaceAll(/[:.]/g, '-')
  const kept = `${path}.before-restore-${time}`
  for (const suffix of neighbours.slice(1)) {
    if (existsSync(`${path}${suffix}`)) renameSync(`${path}${suffix}`, `${kept}${suffix}`)
  }
  return kept
}

/** The program may run as another user than the one who restores. */
function takeOwner(path: string, { uid, gid }: Stats, mode?: number): void {
  if (mode !== undefined) chmodSync(path, mode & 0o777)
  if (process.getuid?.() === 0) chownSync(path, uid, gid)
}

interface Restored {
  readonly ledger: LedgerStep
  readonly forgotten: number
  readonly kept: string | undefined
}

const ledgerSentences: Readonly<Record<LedgerStep, string>> = {
  restored: 'The ledger of the payment simulator was restored, too.',
  kept: 'The ledger of the payment simulator that was there stays.',
  none: 'No ledger of a payment simulator was restored.',
}

function say(
  { from, databasePath, ledgerPath }: Plan,
  { ledger, forgotten, kept }: Restored,
): void {
  const lines = [
    `${from} → ${databasePath}, quick_check and audit passed`,
    ...(kept === undefined ? [] : [`The database that was there is ${kept}`]),
    ledgerSentences[ledger],
    ledgerPath === undefined
      ? 'The worker compares with the provider and puts forgotten captures on the attention list.'
      : `Captured payments that this copy has forgotten, now on the attention list: ${forgotten}.`,
    'Next: start every process anew, look at GET /v1/admin/attention, and tell shoppers who registered',
    'after the copy to register again: their tokens open nothing any more.',
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
}

await runCommand({ usage, failureExitCode: 1, run })
