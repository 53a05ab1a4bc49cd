import { Stack } from '@mantine/core'
import { UrlTabs } from '@/components/url-tabs'
import { ChannelsPanel } from './channels-panel'
import { HistoryPanel } from './history-panel'
import { KindsPanel } from './kinds-panel'
import { TelegramPanel } from './telegram-panel'

/** What one is told of, by which way, and what one was told. */
export function NotificationsPart() {
  return (
    <UrlTabs
      label="Notifications"
      tabs={[
        { value: 'events', title: 'What I am told of', content: <KindsPanel /> },
        {
          value: 'channels',
          title: 'Channels',
          content: (
            <Stack>
              <TelegramPanel />
              <ChannelsPanel />
            </Stack>
          ),
        },
        { value: 'history', title: 'History', content: <HistoryPanel /> },
      ]}
    />
  )
}
