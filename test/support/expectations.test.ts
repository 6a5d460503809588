import { describe, expect, it } from 'vitest'
import { expectAuditClean } from './expectations.ts'
import type { Answer, Call } from './http.ts'

const whole = { holds: true, invariants: [], unchecked: [] }
const partial = { ...whole, unchecked: ['I12 and I13 at the provider: nobody there'] }

/** Makes a client that gets the audits in turn, the last one for ever. */
function answering(...audits: readonly object[]): Call {
  const left = [...audits]
  return () => {
    const body = left.length > 1 ? left.shift() : left[0]
    return Promise.resolve({ body } as unknown as Answer)
  }
}

describe('an audit is clean', () => {
  it('only when everything was checked', async () => {
    await expectAuditClean(answering(whole))
    await expect(expectAuditClean(answering(partial), 0)).rejects.toThrow('to deeply equal []')
  })

  it('although one that ran before ended early', async () => {
    await expectAuditClean(answering(partial, whole))
  })
})
