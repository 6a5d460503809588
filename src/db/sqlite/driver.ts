import { createRequire } from 'node:module'
import type BetterSqlite3 from 'better-sqlite3'

/**
 * better-sqlite3 in the version this Node can run; both have the same interface. 13 is built on Node-API 10,
 * which Node before 22.14 does not have and crashes without. 12 aborts the process on Node 24.19 and later, built
 * there, when a statement is collected while no JavaScript runs (WiseLibs/better-sqlite3#1515).
 */
const name = Number(process.versions['napi']) >= 10 ? 'better-sqlite3-napi' : 'better-sqlite3'

const require = createRequire(import.meta.url)

/** Where a thread finds it. */
export const driverPath = locate()

export const Sqlite = require(driverPath) as typeof BetterSqlite3
export type SqliteDatabase = BetterSqlite3.Database
export type SqliteStatement = BetterSqlite3.Statement

function locate(): string {
  try {
    return require.resolve(name)
  } catch (cause) {
    throw new Error(`${name} is not installed: npm ci without --omit=optional`, { cause })
  }
}
