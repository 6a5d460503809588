import type { Database, Row, Script } from '../../src/db/database.ts'
import { pushMethod } from '../../src/payments/simulator/schema.ts'
import { Sqlite, type SqliteStatement } from '../../src/db/sqlite/driver.ts'
import type { Violation } from './violation.ts'

/**
 * Reads the database file past the program at the moment of an answer or an action: a hold that is
 * told must be committed, a captured payment must have a paid invoice, and no counter is negative.
 */
export interface Observer {
  /** Checks I1 and I2 on the committed rows. */
  checkStock(when: string): void
  /** Checks, before a hold is told, that it is in the database. */
  checkHoldTold(requestId: string, reservationId: string): void
  /** Checks, before the provider captures this payment, that its invoice is paid. */
  checkCapture(paymentId: string): void
  /** Checks, before the provider voids this payment, that it pays no invoice. */
  checkVoid(paymentId: string): void
  rows<T>(sql: string, ...values: readonly (string | number)[]): T[]
  /** A connection for the audit. */
  readonly database: Pick<Database, 'read'>
  close(): void
}

const wrongStock = `
  select product_id, allotment, available, held, sold from stock
  where available < 0 or held < 0 or sold < 0 or available + held + sold <> allotment`
const reservationById = `select user_id from reservations where id = ?`
const invoiceOfPayment = `
  select p.status as payment, i.status as invoice, p.method
  from payments p join invoices i on i.id = p.invoice_id where p.id = ?`

interface PaymentStanding {
  readonly payment: string
  readonly invoice: string
  readonly method: string
}

export function openObserver(path: string, violate: (violation: Violation) => void): Observer {
  const connection = new Sqlite(path, { readonly: true })
  const statements = new Map<string, SqliteStatement>()

  function rows<T>(sql: string, ...values: readonly (string | number | null)[]): T[] {
    const statement = statements.get(sql) ?? connection.prepare(sql)
    statements.set(sql, statement)
    return statement.all(...values) as T[]
  }

  function drive<T>(script: Script<T>): T {
    let step = script.next()
    while (step.done !== true) step = script.next(rows<Row>(step.value.text, ...step.value.values))
    return step.value
  }

  return {
    rows,
    database: { read: (script) => Promise.resolve(drive(script())) },
    checkStock(when) {
      const [wrong] = rows(wrongStock)
      if (wrong !== undefined) violate({ invariant: 'I1/I2', what: `${when}: ${say(wrong)}` })
    },
    checkHoldTold(requestId, reservationId) {
      if (rows(reservationById, reservationId).length > 0) return
      const what = `request ${requestId} is told hold ${reservationId} before its commit`
      violate({ invariant: 'I5', what })
    },
    checkCapture(paymentId) {
      const [found] = rows<PaymentStanding>(invoiceOfPayment, paymentId)
      if (found?.invoice === 'paid') return
      violate({ invariant: 'I12', what: `capture of ${paymentId}, which stands ${say(found)}` })
    },
    checkVoid(paymentId) {
      const [found] = rows<PaymentStanding>(invoiceOfPayment, paymentId)
      const pays = found?.payment === 'authorized' || found?.payment === 'captured'
      // A push payment may arrive while it is given up; then the provider refuses the void.
      if (!pays || found.invoice !== 'paid' || found.method === pushMethod) return
      violate({ invariant: 'I13', what: `void of ${paymentId}, which pays its invoice` })
    },
    close() {
      connection.close()
    },
  }
}

const say = (row: unknown): string => JSON.stringify(row)
