import { expect, test } from 'vitest'
import { planCells } from './plan.ts'
import { canonicalScale } from './scale.ts'
import { estimateMinutes } from './schedule.ts'

const longestRunMinutes = 25

test('the canonical run fits into a break', () => {
  const plan = { cells: planCells(canonicalScale), soaks: [] }
  expect(canonicalScale.rounds).toBeGreaterThanOrEqual(3)
  expect(estimateMinutes(plan, canonicalScale)).toBeLessThan(longestRunMinutes)
})
