import { memoryClock } from '../../src/adapters/memory/clock.ts'
import { memoryUnitOfWork } from '../../src/adapters/memory/unit-of-work.ts'
import { unitOfWorkContract } from './unit-of-work.ts'

unitOfWorkContract('memory', async () => {
  const clock = memoryClock()
  const unitOfWork = memoryUnitOfWork({ clock })
  return {
    unitOfWork,
    effect: (tx, name) => tx.query('effect', [name]),
    effects: async () => unitOfWork.effects.map(String).toSorted(),
    fail: tx => tx.query('fail'),
    hang: tx => tx.query('hang'),
    pass: ms => clock.advance(ms),
    down: () => unitOfWork.down(),
    up: () => unitOfWork.up(),
    loseAnswerToCommit: how => unitOfWork.nextCommit(how === 'done' ? 'unknown-done' : 'unknown-lost'),
    close: () => unitOfWork.stop(),
  }
})
