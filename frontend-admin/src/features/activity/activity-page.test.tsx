import { screen, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { expect, test } from 'vitest'
import { answers } from '@/testing/answers'
import { renderAt } from '@/testing/render'
import { ActivityPage } from './activity-page'

test('an act tells who changed what from what to what, and from where', async () => {
  const asked = answers('/audit', {
    rows: [
      {
        recorded_at: '2026-11-22T10:00:00Z',
        who: 'ana',
        what: 'CONTROL_SET',
        service: 'dashboard_creator',
        address: '10.0.0.7',
        before: { state: 'ACTIVE' },
        after: { state: 'HALTED' },
        facts: { reason: 'storm' },
      },
    ],
    next: null,
  })
  renderAt('/activity?who=ana', '/activity', <ActivityPage />)
  const line = (await screen.findByText('Control set')).closest('tr')
  expect(line).toHaveTextContent('state ACTIVE → HALTED')
  expect(line).toHaveTextContent('10.0.0.7')
  expect(asked[0]?.get('who')).toBe('ana')
  await userEvent.click(screen.getByRole('button', { name: 'Details' }))
  const dialog = await screen.findByRole('dialog')
  expect(within(dialog).getByText(/"reason": "storm"/)).toBeInTheDocument()
})
