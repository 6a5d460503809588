import { first, run, type Script } from './database.ts'

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

const selectUser = `select id from users where id = ?`

export function* userExists(userId: number): Script<boolean> {
  return (yield* first(selectUser, userId)) !== undefined
}
