import { createRequire } from 'node:module'
import type BetterSqlite3 from 'better-sqlite3'

/**
 * This Node needs one of two versions of better-sqlite3 with the same interface. Version 13 needs
 * Node-API 10; Node before 22.14 does not have it and crashes. Version 12, built on Node 24.19 or
 * later, aborts the process when a statement is collected while no JavaScript runs
 * (WiseLibs/better-sqlite3#1515).
 */
const name = Number(process.versions['napi']) >= 10 ? 'better-sqlite3-napi' : 'better-sqlite3'

const require = createRequire(import.meta.url)

/** The path of the driver, for threads. */
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
