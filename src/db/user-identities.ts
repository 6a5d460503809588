import { all, first, padded, placeholders, run, type Script } from './database.ts'
import { createUser } from './users.ts'

const selectUserIds = (count: number) => `
  select subject, user_id as "userId" from user_identities
  where issuer = ? and subject in (${placeholders(count)})`

/** The user each subject of an external issuer (`iss`, `sub` of its tokens) is here, if any. */
export function* findUsersOf(
  issuer: string,
  subjects: readonly string[],
): Script<readonly (number | undefined)[]> {
  const rows = yield* all<{ subject: string; userId: number }>(
    selectUserIds(subjects.length),
    issuer,
    ...padded(subjects),
  )
  const userIds = new Map(rows.map(({ subject, userId }) => [subject, userId]))
  return subjects.map((subject) => userIds.get(subject))
}

const selectUserId = `
  select user_id as "userId" from user_identities where issuer = ? and subject = ?`
const insertIdentity = `
  insert into user_identities (issuer, subject, user_id, created_at) values (?, ?, ?, ?)`

export interface Newcomer {
  readonly issuer: string
  readonly subject: string
  /** Unique; the person's own address stays with the issuer. */
  readonly email: string
}

/** The user of the subject, made if nobody has done so meanwhile. */
export function* welcome({ issuer, subject, email }: Newcomer, now: number): Script<number> {
  const known = yield* first<{ userId: number }>(selectUserId, issuer, subject)
  if (known !== undefined) return known.userId
  const user = yield* createUser({ name: 'Shopper', email }, now)
  if (user === undefined) throw new Error('the address of a newcomer is taken')
  yield* run(insertIdentity, issuer, subject, user.id, now)
  return user.id
}
