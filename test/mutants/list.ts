import { deliveryMutants } from './delivery.ts'
import { endingMutants } from './ending.ts'
import { holdingMutants } from './holding.ts'
import { httpMutants } from './http.ts'
import { lateMoneyMutants } from './late-money.ts'
import type { Mutant } from './mutant.ts'
import { operatorMutants } from './operators.ts'
import { ownershipMutants } from './ownership.ts'
import { payingMutants } from './paying.ts'
import { providerMutants } from './provider.ts'
import { schemaMutants } from './schema.ts'

/** All mutants, in the order of the life of a unit. */
export const mutants: readonly Mutant[] = [
  ...holdingMutants,
  ...deliveryMutants,
  ...endingMutants,
  ...payingMutants,
  ...providerMutants,
  ...lateMoneyMutants,
  ...ownershipMutants,
  ...operatorMutants,
  ...httpMutants,
  ...schemaMutants,
]
