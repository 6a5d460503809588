import { all, first, padded, placeholders, run, type Script } from './database.ts'

export interface User {
  readonly id: number
  readonly name: string
  readonly email: string
}

const insertUser = `
  insert into users (name, email, created_at) values (?, ?, ?)
  on conflict (email) do nothing
  returning id`
const insertShop = `insert into shops (owner_id, name, created_at) values (?, ?, ?)`

/** A user and their shop; undefined when the address is taken. */
export function* createUser(user: Omit<User, 'id'>, now: number): Script<User | undefined> {
  const { name, email } = user
  const row = yield* first<{ id: number }>(insertUser, name, email, now)
  if (row === undefined) return undefined
  yield* run(insertShop, row.id, name, now)
  return { id: row.id, name, email }
}

const selectUsers = (count: number) => `select id from users where id in (${placeholders(count)})`

/** For each id whether it belongs to a user. */
export function* usersExist(userIds: readonly number[]): Script<readonly boolean[]> {
  const rows = yield* all<{ id: number }>(selectUsers(userIds.length), ...padded(userIds))
  const found = new Set(rows.map(({ id }) => id))
  return userIds.map((id) => found.has(id))
}
