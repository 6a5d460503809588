/**
 * This file is the simulated provider's ledger: a SQLite file of its own, shared by every process
 * that talks to the provider. It knows nothing of our database, so that an audit can compare the
 * two.
 */
import { dirname } from 'node:path'
import { wait, type Clock } from '../../clock.ts'
import { makeFolder } from '../../make-folder.ts'
import { Sqlite, type SqliteDatabase, type SqliteStatement } from '../../db/sqlite/driver.ts'
import { classified, createGroupCommit } from '../../db/sqlite/group-commit.ts'
import { explain, isBusy, isUnavailable, openTransactions } from '../../db/sqlite/transactions.ts'
import { capturedPageMax, type CapturedPayment, type LedgerPage } from '../ledger.ts'
import { ProviderUnavailableError } from '../provider.ts'
import { schema, schemaVersion } from './schema.ts'

/** SQLite's own wait blocks the event loop, so it only bridges the length of one commit. */
const busyTimeoutMs = 20
/** The pause between two tries to read; the event loop is free meanwhile, and writers are short. */
const busyPauseMs = 10
/** After this the call has no answer: another process holds the lock and is probably stuck. */
const busyRetryMs = 2_000

export interface LedgerFileOptions {
  readonly path: string
  readonly clock: Clock
  /** Spreads the retries of several processes; 0 ≤ random() < 1. */
  readonly random: () => number
  /** Runs a task after the arrivals of the current tick; setImmediate unless given. */
  readonly defer?: (task: () => void) => void
}

/** An open ledger. Tasks are synchronous: nothing is ever awaited inside a transaction. */
export interface LedgerFile {
  /**
   * Runs the task in one write transaction, durable when it resolves. All tasks of one tick share a
   * commit, because a sync of the disk costs more than their writes.
   */
  write<T>(task: (connection: LedgerConnection) => T): Promise<T>
  /** Runs the task on one consistent snapshot. */
  read<T>(task: (connection: LedgerConnection) => T): Promise<T>
  /** Closes the file after the last write. */
  close(): Promise<void>
}

/** A connection on which every statement is prepared once, cached by its text. */
export interface LedgerConnection {
  /** Runs a statement and says how many rows it changed. */
  readonly run: (text: string, ...values: readonly LedgerValue[]) => number
  /** Runs a statement and returns its rows; the caller knows their shape. */
  readonly all: (text: string, ...values: readonly LedgerValue[]) => readonly unknown[]
}

type LedgerValue = string | number | null

/**
 * Opens the file, making it and its folder when they are missing.
 * @throws ProviderUnavailableError when it stays locked or cannot be used, Error when it is not ours.
 */
export async function openLedgerFile(options: LedgerFileOptions): Promise<LedgerFile> {
  const { path, clock, random, defer = setImmediate } = options
  makeFolder(dirname(path))
  const database = await retryWhileBusy(clock, () => openConnection(path))
  const ledger = prepareOnce(database)
  const connection = openTransactions(database, unavailable)
  const lockTimeoutMs = busyRetryMs
  const writes = createGroupCommit({ connection, clock, random, defer, lockTimeoutMs })

  return {
    write: (task) => writes.transaction(() => task(ledger)),
    read: (task) =>
      retryWhileBusy(clock, () => database.transaction(() => task(ledger)).deferred()),
    async close() {
      await writes.idle()
      database.close()
    },
  }
}

/**
 * Opens an existing file and writes nothing into it.
 * @throws ProviderUnavailableError when it cannot be read, Error when it is no ledger or an older one.
 */
export async function openLedgerReader({
  path,
  clock,
}: Pick<LedgerFileOptions, 'path' | 'clock'>): Promise<Pick<LedgerFile, 'read' | 'close'>> {
  const database = await retryWhileBusy(clock, () => openReadonly(path))
  const ledger = prepareOnce(database)
  return {
    read: (task) =>
      retryWhileBusy(clock, () => database.transaction(() => task(ledger)).deferred()),
    close() {
      database.close()
      return Promise.resolve()
    },
  }
}

function openReadonly(path: string): SqliteDatabase {
  const database = new Sqlite(path, { timeout: busyTimeoutMs, readonly: true })
  return checkedOrClosed(database, () => {
    if (readApplicationId(database) !== applicationId) throw notOurs(database)
    const version = database.pragma('user_version', { simple: true })
    if (version !== schemaVersion) throw otherVersion(database, version)
  })
}

function checkedOrClosed(database: SqliteDatabase, check: () => void): SqliteDatabase {
  try {
    check()
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

function openConnection(path: string): SqliteDatabase {
  const database = new Sqlite(path, { timeout: busyTimeoutMs })
  return checkedOrClosed(database, () => {
    assertOursOrEmpty(database)
    database.pragma('journal_mode = wal')
    database.pragma('synchronous = full')
    createSchema(database)
    assertDurable(database)
  })
}

/**
 * Checks `synchronous=FULL` once more after `createSchema` has read: better-sqlite3 falls back to NORMAL
 * at the first read of a WAL file, and a power cut would then lose answers that were given.
 */
function assertDurable(database: SqliteDatabase): void {
  const journalMode = database.pragma('journal_mode', { simple: true })
  const synchronous = database.pragma('synchronous', { simple: true })
  if (journalMode !== 'wal' || synchronous !== 2) {
    throw new Error(`ledger is not durable: ${String(journalMode)}, ${String(synchronous)}`)
  }
}

/** "HFPS" marks the file as a payment simulator's, so that no other database is taken for one. */
const applicationId = 0x48465053

const readApplicationId = (database: SqliteDatabase): unknown =>
  database.pragma('application_id', { simple: true })

const notOurs = ({ name }: SqliteDatabase): Error =>
  new Error(`${name} is not the ledger of a payment simulator`)

const otherVersion = ({ name }: SqliteDatabase, version: unknown): Error =>
  new Error(
    `the simulator's ledger has schema ${String(version)}, not ${schemaVersion}: remove ${name}, and a new one is made`,
  )

/**
 * Checks, before anything is written, that the file is empty or a ledger, so that no other file is
 * destroyed.
 */
function assertOursOrEmpty(database: SqliteDatabase): void {
  const isOursOrEmpty = database.transaction(() => {
    const id = readApplicationId(database)
    const count = database.prepare('select count(*) from sqlite_schema').pluck().get()
    return id === applicationId || (id === 0 && count === 0)
  })
  if (!isOursOrEmpty.deferred()) throw notOurs(database)
}

/** Creates the schema; the second of several starters finds it there. */
function createSchema(database: SqliteDatabase): void {
  const create = database.transaction(() => {
    const version = database.pragma('user_version', { simple: true })
    if (version === schemaVersion) return
    if (version !== 0) throw otherVersion(database, version)
    database.exec(schema)
    database.pragma(`application_id = ${applicationId}`)
    database.pragma(`user_version = ${schemaVersion}`)
  })
  create.immediate()
}

function prepareOnce(database: SqliteDatabase): LedgerConnection {
  const statements = new Map<string, SqliteStatement>()
  function prepared(text: string): SqliteStatement {
    const known = statements.get(text)
    if (known !== undefined) return known
    const statement = database.prepare(text)
    statements.set(text, statement)
    return statement
  }
  return {
    run: (text, ...values) => prepared(text).run(...values).changes,
    all: (text, ...values) => prepared(text).all(...values),
  }
}

/** Tries at once, then every `busyPauseMs` until `busyRetryMs` are over. */
async function retryWhileBusy<T>(clock: Clock, task: () => T): Promise<T> {
  const deadline = clock.monotonic() + busyRetryMs
  for (;;) {
    try {
      return task()
    } catch (error) {
      const isOver = !isBusy(error) || clock.monotonic() >= deadline
      if (isOver) throw classified({ isUnavailable, unavailable }, error)
    }
    await wait(clock, busyPauseMs)
  }
}

function unavailable(cause: unknown): ProviderUnavailableError {
  return new ProviderUnavailableError(`no answer: ${explain(cause)}`, { cause })
}

const capturedPage = `
  select payment_id as "paymentId", invoice_id as "invoiceId", amount_minor as "amountMinor",
    currency, updated_at as "capturedAt"
  from payments
  where status = 'captured' and payment_id > ?
  order by payment_id
  limit ?`

const countVoidsOfCaptured = `
  select count(*) as count from operations where result = 'already_captured'`

/** Reads a page for an audit, as `../ledger.ts` describes it. */
export function readPage({ all }: LedgerConnection, afterPaymentId: string): LedgerPage {
  const captured = all(capturedPage, afterPaymentId, capturedPageMax) as readonly CapturedPayment[]
  const [voids] = all(countVoidsOfCaptured) as readonly { readonly count: number }[]
  return {
    captured,
    next: captured.length === capturedPageMax ? captured.at(-1)?.paymentId : undefined,
    voidsOfCaptured: voids?.count ?? 0,
  }
}
