import { all, first, padded, placeholders, run, type Script } from './database.ts'
import { emailKey } from './email-key.ts'

export interface User {
  /** A short number that sorts. A restored copy may give it to another user: see `uid`. */
  readonly id: number
  readonly name: string
  readonly email: string
}

/** A user who has just been made, with the name their token carries. */
export interface NewUser extends User {
  /**
   * 32 random hex digits, made by the database. No copy of the database has them for another user.
   */
  readonly uid: string
}

const insertUser = `
  insert into users (name, email, email_key, created_at) values (?, ?, ?, ?)
  on conflict do nothing
  returning id, uid`
const insertShop = `insert into shops (owner_id, name, created_at) values (?, ?, ?)`

/** Makes a user and their shop; undefined when the address is taken, in whatever spelling: see `emailKey`. */
export function* createUser(user: Omit<User, 'id'>, now: number): Script<NewUser | undefined> {
  const { name, email } = user
  const key = emailKey(email)
  if (key === undefined) throw new Error('a user needs an address of e-mail')
  const row = yield* first<{ id: number; uid: string }>(insertUser, name, email, key, now)
  if (row === undefined) return undefined
  yield* run(insertShop, row.id, name, now)
  return { id: row.id, uid: row.uid, name, email }
}

const selectUserIds = (count: number) => `
  select id, uid from users where uid in (${placeholders(count)})`

/** Finds the id of the user with each uid; undefined for an unknown uid. */
export function* findUserIds(uids: readonly string[]): Script<readonly (number | undefined)[]> {
  const rows = yield* all<{ id: number; uid: string }>(selectUserIds(uids.length), ...padded(uids))
  const ids = new Map(rows.map(({ id, uid }) => [uid, id]))
  return uids.map((uid) => ids.get(uid))
}
