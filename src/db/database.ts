/**
 * The database port. A transaction is a generator that yields statements and knows no driver: the
 * SQLite adapter drives it without ever awaiting inside, an asynchronous one may await each step.
 */
export type SqlValue = string | number | null
export type Row = Readonly<Record<string, unknown>>

export interface Statement {
  readonly text: string
  readonly values: readonly SqlValue[]
}

export type Script<T> = Generator<Statement, T, readonly Row[]>

export interface Database {
  /**
   * Runs the script in one write transaction (`BEGIN IMMEDIATE`). It is durable when the promise
   * resolves; when the script throws nothing of it remains.
   * @throws DatabaseUnavailableError when the database is locked for too long, full or gone.
   */
  transaction<T>(script: () => Script<T>): Promise<T>
  /** Runs the script on one consistent snapshot. Never waits for a writer. */
  read<T>(script: () => Script<T>): Promise<T>
  close(): Promise<void>
}

/** Thrown when the database cannot be used now. Nothing was written, and a later try may work. */
export class DatabaseUnavailableError extends Error {
  override readonly name = 'DatabaseUnavailableError'
}

/** Runs a statement and returns its rows; the caller names their shape beside the SQL. */
export function* all<T>(text: string, ...values: readonly SqlValue[]): Script<readonly T[]> {
  return (yield { text, values }) as readonly T[]
}

/** Returns the first row, if there is one. */
export function* first<T>(text: string, ...values: readonly SqlValue[]): Script<T | undefined> {
  const rows = (yield { text, values }) as readonly T[]
  return rows[0]
}

/**
 * Returns the row of a statement that always gives one, such as an aggregate or an insert's
 * `returning`.
 */
export function* one<T>(text: string, ...values: readonly SqlValue[]): Script<T> {
  const row = yield* first<T>(text, ...values)
  if (row === undefined) throw new Error(`statement gave no row: ${text}`)
  return row
}

/** Runs a statement without rows. */
export function* run(text: string, ...values: readonly SqlValue[]): Script<void> {
  yield { text, values }
}

/**
 * Returns `?, ?, ?` for an `in (…)` list, rounded up to a power of two so that the number of
 * distinct statements stays small; `item` is `(?, ?)` for rows of two. Pass the values through
 * `padded`.
 */
export function placeholders(count: number, item = '?'): string {
  return Array.from({ length: paddedLength(count) }, () => item).join(', ')
}

/**
 * Returns the values for `placeholders`, with the last row of `width` values repeated to fill up.
 */
export function padded(values: readonly SqlValue[], width = 1): SqlValue[] {
  const filled = [...values]
  const length = paddedLength(values.length / width) * width
  while (filled.length < length) filled.push(...values.slice(-width))
  return filled
}

function paddedLength(count: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(count, 1)))
}

const rowsPerInsertMax = 64

/**
 * Inserts many rows, up to 64 with each statement: that takes three quarters of the time. `insert`
 * ends in `values`, `item` is one row of it, e.g. `(?, ?)`. Powers of two, so that few distinct
 * statements exist.
 */
export function* insertRows(
  insert: string,
  item: string,
  rows: readonly (readonly SqlValue[])[],
): Script<void> {
  for (let from = 0; from < rows.length;) {
    const count = Math.min(rowsPerInsertMax, 2 ** Math.floor(Math.log2(rows.length - from)))
    yield {
      text: `${insert} ${Array.from({ length: count }, () => item).join(', ')}`,
      values: rows.slice(from, from + count).flat(),
    }
    from += count
  }
}
