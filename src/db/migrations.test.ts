import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { join } from 'node:path'
import { systemClock } from '../clock.ts'
import { Sqlite, type SqliteDatabase } from './sqlite/driver.ts'
import { migrationsFolder } from '../../test/support/database-fixture.ts'
import { createTemporaryFolder, type TemporaryFolder } from '../../test/support/temporary-folder.ts'
import type { Database } from './database.ts'
import { migrate, readMigrations } from './migrate.ts'
import { createUser } from './users.ts'
import { openSqlite } from './sqlite/sqlite-database.ts'
import { testRandom } from '../../test/support/seed.ts'

/** A file of an older version, with rows, brought to this one. */
let folder: TemporaryFolder
let database: Database
let raw: SqliteDatabase

beforeEach(() => {
  folder = createTemporaryFolder()
  const path = join(folder.path, 'old.db')
  database = openSqlite({ path, clock: systemClock, random: testRandom() })
  raw = new Sqlite(path)
})

afterEach(async () => {
  raw.close()
  await database.close()
  folder.remove()
})

const rowsOf = (table: string, columns: string): unknown =>
  raw.prepare(`select ${columns} from ${table} order by 1`).all()

/** Applies the migrations up to and including this number. */
async function migrateTo(number: string): Promise<void> {
  const all = readMigrations(migrationsFolder)
  await migrate(
    database,
    all.filter(({ name }) => name.slice(0, 4) <= number),
    0,
  )
}

it('the migrations of this program have every number once, without a gap', () => {
  const numbers = readMigrations(migrationsFolder).map(({ name }) => Number(name.slice(0, 4)))
  expect(numbers).toEqual(numbers.map((_, index) => index + 1))
})

describe('0009_email_keys', () => {
  const upTo = async (name: string): Promise<void> => {
    const migrations = readMigrations(migrationsFolder)
    const end = migrations.findIndex((each) => each.name.startsWith(name))
    await migrate(database, migrations.slice(0, end), 0)
  }

  it('leaves every account of an address that is there twice; the oldest one has the address', async () => {
    await upTo('0009')
    raw.exec(`insert into users (id, name, email, created_at) values
      (2, 'A', 'Ann@example.com', 7), (3, 'A', 'ann@Example.com', 5), (4, 'A', 'ANN@EXAMPLE.COM', 5),
      (5, 'B', 'Bob@Example.com', 9)`)
    await migrate(database, readMigrations(migrationsFolder), 0)
    expect(rowsOf('users', 'id, email, email_key as key')).toEqual([
      { id: 1, email: 'shop@holdfast.invalid', key: 'shop@holdfast.invalid' },
      { id: 2, email: 'Ann@example.com', key: null },
      { id: 3, email: 'ann@Example.com', key: 'ann@example.com' },
      { id: 4, email: 'ANN@EXAMPLE.COM', key: null },
      { id: 5, email: 'Bob@Example.com', key: 'bob@example.com' },
    ])
    const register = (email: string) =>
      database.transaction(() => createUser({ name: 'C', email }, 10))
    for (const email of ['Ann@example.com', 'aNN@example.com', 'BOB@example.com']) {
      expect(await register(email)).toBeUndefined()
    }
    expect(await register('cem@example.com')).toBeDefined()
  })

  it('gives a key to whom a program of before makes, unless somebody has it', async () => {
    await migrate(database, readMigrations(migrationsFolder), 0)
    raw.exec(`insert into users (id, name, email, created_at) values
      (2, 'A', 'Ann@example.com', 7), (3, 'A', 'ann@Example.com', 8)`)
    expect(rowsOf('users', 'id, email_key as key')).toEqual([
      { id: 1, key: 'shop@holdfast.invalid' },
      { id: 2, key: 'ann@example.com' },
      { id: 3, key: null },
    ])
  })
})

describe('0011_prices', () => {
  it('keeps every product, its place in a sale, the holds of it, and its triggers', async () => {
    await migrateTo('0010')
    raw.exec(`
      insert into users (id, name, email, created_at) values (2, 'A', 'a@example.com', 0);
      insert into products values (1, 1, 'P', 5, 'EUR', 7);
      insert into flash_sales (id, name, starts_at, ends_at, hold_seconds, created_at)
        values (1, 'S', 0, 1, 300, 0);
      insert into flash_sale_details values (1, 1, 4, 2, 8);
      insert into carts values ('c1', 2, 'active', 0);
      insert into reservations values
        ('r1', 2, 'k1', 1, 1, 'c1', null, 1, 4, 'EUR', 'held', 0, 1, null)`)
    const tables = ['products', 'reservations', 'flash_sales']
    const before = tables.map((table) => rowsOf(table, '*'))
    await migrate(database, readMigrations(migrationsFolder), 0)
    expect(tables.map((table) => rowsOf(table, '*'))).toEqual(before)
    expect(rowsOf('flash_sale_details', '*')).toEqual([
      {
        flash_sale_id: 1,
        product_id: 1,
        price_minor: 4,
        purchase_limit: 2,
        limit_changed_at: null,
        created_at: 8,
      },
    ])
    expect(raw.prepare('pragma foreign_key_check').all()).toEqual([])
    const revision = rowsOf('flash_sales', 'products_revision as at') as [{ at: number }]
    raw.exec('update flash_sale_details set price_minor = 90000000000000')
    expect(rowsOf('flash_sales', 'products_revision as at')).toEqual([{ at: revision[0].at + 1 }])
    expect(() => raw.exec('update products set price_minor = 90000000000001')).toThrow('CHECK')
  })
})

describe('0002_late_money', () => {
  const invoiceColumns =
    'id, user_id, cart_id, idempotency_key, status, total_minor, currency, hold_seconds, due_at, created_at, paid_at, ended_at'
  const paymentColumns =
    'id, invoice_id, user_id, idempotency_key, method, amount_minor, currency, status, decline_code, given_up_at, created_at, updated_at'

  it('keeps every invoice and payment, and what refers to them', async () => {
    await migrateTo('0001')
    raw.exec(`
      insert into users values (2, 'A', 'a@example.com', 0);
      insert into products values (1, 1, 'P', 5, 'EUR', 0);
      insert into flash_sales values (1, 'S', 'open', 0, 1, 300, 0);
      insert into flash_sale_details values (1, 1, 5, null, 0);
      insert into carts values ('c1', 2, 'checked_out', 0), ('c2', 2, 'checked_out', 0);
      insert into invoices values
        ('i1', 2, 'c1', 'k1', 'paid', 5, 'EUR', 300, 9, 1, 2, null),
        ('i2', 2, 'c2', 'k2', 'expired', 5, 'EUR', 300, 9, 1, null, 3);
      insert into reservations values
        ('r1', 2, 'k1', 1, 1, 'c1', 'i1', 1, 5, 'EUR', 'sold', 0, 1, 2),
        ('r2', 2, 'k2', 1, 1, 'c2', 'i2', 1, 5, 'EUR', 'expired', 0, 1, 3);
      insert into invoice_details values ('r1', 'i1', 1, 'P', 1, 5, 5), ('r2', 'i2', 1, 'P', 1, 5, 5);
      insert into payments values
        ('p1', 'i1', 2, 'k1', 'pm_ok', 5, 'EUR', 'captured', null, null, 1, 2),
        ('p2', 'i2', 2, 'k2', 'pm_ok', 5, 'EUR', 'declined', 'card_declined', 4, 1, 2);`)
    const invoices = rowsOf('invoices', invoiceColumns)
    const payments = rowsOf('payments', paymentColumns)
    await migrateTo('0002')
    expect(rowsOf('invoices', invoiceColumns)).toEqual(invoices)
    expect(rowsOf('payments', paymentColumns)).toEqual(payments)
    expect(raw.pragma('foreign_key_check')).toEqual([])
    expect(rowsOf('sqlite_schema', 'name')).not.toContainEqual({ name: 'invoices_before' })
    raw.pragma('foreign_keys = on')
    expect(() => raw.exec(`delete from invoices where id = 'i2'`)).toThrow(/FOREIGN KEY/)
    expect(() => raw.exec(`update invoices set status = 'unpaid' where id = 'i1'`)).toThrow(
      'stays paid',
    )
  })
})

describe('0006_what_a_restore_cannot_repeat', () => {
  it('gives every user a random uid of their own, and keeps them and what refers to them', async () => {
    await migrateTo('0005')
    raw.exec(`
      insert into users values (2, 'A', 'a@example.com', 5), (9, 'B', 'b@example.com', 6);
      insert into shops values (2, 2, 'A', 5);
      insert into carts values ('c1', 9, 'active', 0);
      insert into user_identities values ('https://id', 'sub', 9, 0);`)
    const users = rowsOf('users', 'id, name, email, created_at')
    await migrateTo('0006')
    expect(rowsOf('users', 'id, name, email, created_at')).toEqual(users)
    const uids = raw.prepare<[], string>('select uid from users').pluck().all()
    expect(new Set(uids).size).toBe(3)
    for (const uid of uids) expect(uid).toMatch(/^[0-9a-f]{32}$/)
    expect(raw.pragma('foreign_key_check')).toEqual([])
    expect(rowsOf('sqlite_schema', 'name')).not.toContainEqual({ name: 'users_before' })
    raw.pragma('foreign_keys = on')
    expect(() => raw.exec('delete from users where id = 9')).toThrow(/FOREIGN KEY/)
    expect(rowsOf('installation', 'one, restored_at')).toEqual([{ one: 1, restored_at: null }])
  })
})

describe('0007_invoice_lines', () => {
  it('keeps every invoice with its lines, and finds the first reservations of late money', async () => {
    await migrateTo('0006')
    raw.exec(`
      insert into products (id, shop_id, name, price_minor, currency, created_at)
        values (1, 1, 'P', 5, 'EUR', 0);
      insert into flash_sales (id, name, starts_at, ends_at, hold_seconds, created_at)
        values (1, 'S', 0, 1, 300, 0);
      insert into flash_sale_details (flash_sale_id, product_id, price_minor, created_at)
        values (1, 1, 5, 0);
      insert into carts (id, user_id, status, created_at) values
        ('c1', 1, 'checked_out', 0), ('c2', 1, 'checked_out', 0);
      insert into invoices (id, user_id, cart_id, idempotency_key, status, total_minor, currency,
          hold_seconds, due_at, extended_at, created_at, paid_at) values
        ('i1', 1, 'c1', 'k1', 'paid', 25, 'EUR', 300, 300001, null, 1, 900000),
        ('i2', 1, 'c2', 'k2', 'unpaid', 5, 'EUR', 300, 360000, 250000, 1, null);
      insert into reservations (id, user_id, idempotency_key, flash_sale_id, product_id, cart_id,
          invoice_id, quantity, unit_price_minor, currency, status, created_at, expires_at, ended_at)
      values
        ('a1', 1, 'a1', 1, 1, 'c1', 'i1', 1, 5, 'EUR', 'expired', 0, 1, 400000),
        ('a2', 1, 'a2', 1, 1, 'c1', 'i1', 1, 5, 'EUR', 'expired', 0, 1, 400000),
        ('a3', 1, 'a3', 1, 1, 'c1', 'i1', 3, 5, 'EUR', 'expired', 0, 1, 400000),
        ('b1', 1, 'b1', 1, 1, 'c1', 'i1', 1, 5, 'EUR', 'sold', 9, 9, 9),
        ('b2', 1, 'b2', 1, 1, 'c1', 'i1', 1, 5, 'EUR', 'sold', 9, 9, 9),
        ('b3', 1, 'b3', 1, 1, 'c1', 'i1', 3, 5, 'EUR', 'sold', 9, 9, 9),
        ('d1', 1, 'd1', 1, 1, 'c2', 'i2', 1, 5, 'EUR', 'held', 0, 1, null);
      insert into invoice_details values ('b1', 'i1', 1, 'P', 1, 5, 5), ('b2', 'i1', 1, 'P', 1, 5, 5),
        ('b3', 'i1', 1, 'P', 3, 5, 15), ('d1', 'i2', 1, 'P', 1, 5, 5);`)
    await migrateTo('0007')
    expect(
      rowsOf('invoices', 'id, status, total_minor, checkout_due_at, due_at, confirmed'),
    ).toEqual([
      {
        id: 'i1',
        status: 'paid',
        total_minor: 25,
        checkout_due_at: 300_001,
        due_at: 300_001,
        confirmed: null,
      },
      {
        id: 'i2',
        status: 'unpaid',
        total_minor: 5,
        checkout_due_at: 300_001,
        due_at: 360_000,
        confirmed: null,
      },
    ])
    const lines = 'reservation_id as now, checkout_reservation_id as first, cancelled_at'
    expect(rowsOf('invoice_details', lines)).toEqual([
      { now: 'b1', first: 'a1', cancelled_at: null },
      { now: 'b2', first: 'a2', cancelled_at: null },
      { now: 'b3', first: 'a3', cancelled_at: null },
      { now: 'd1', first: 'd1', cancelled_at: null },
    ])
  })
})
