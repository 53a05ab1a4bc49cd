import { Tabs } from '@mantine/core'
import type { ReactNode } from 'react'
import { useUrlState } from '@/lib/use-url-state'

export interface UrlTab {
  value: string
  title: ReactNode
  content: ReactNode
}

/** Tabs whose choice is in the address; only the one in sight is in the page, and asks. */
export function UrlTabs({ tabs, label }: { tabs: UrlTab[]; label: string }) {
  const first = tabs[0]?.value ?? ''
  const [asked, setTab] = useUrlState('tab', first)
  const tab = tabs.some((each) => each.value === asked) ? asked : first
  return (
    <Tabs value={tab} onChange={setTab} keepMounted={false}>
      <Tabs.List
        aria-label={label}
        mb="md"
        style={{ flexWrap: 'nowrap', overflowX: 'auto', overflowY: 'hidden' }}
      >
        {tabs.map((each) => (
          <Tabs.Tab key={each.value} value={each.value} style={{ flexShrink: 0 }}>
            {each.title}
          </Tabs.Tab>
        ))}
      </Tabs.List>
      {tabs.map((each) => (
        <Tabs.Panel key={each.value} value={each.value}>
          {each.content}
        </Tabs.Panel>
      ))}
    </Tabs>
  )
}
