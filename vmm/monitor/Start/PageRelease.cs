using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Monitor.Start;

/// <summary>
/// Lets go of the program's pages, once, a while after the machine has started: what the start alone needed is more than all that
/// follows. Not at once, since the guest's first exits would wait for it and then fault in again what they run.
/// </summary>
internal sealed class PageRelease : IDisposable
{
    private static readonly TimeSpan While = TimeSpan.FromMilliseconds(100);

    private readonly TimerFd _timer = new();
    private readonly Watch _watch;

    /// <summary>On the loop, or before it runs.</summary>
    public PageRelease(EventLoop loop)
    {
        _watch = loop.Watch(_timer.Descriptor, EpollEvents.Readable, _ => Release());
        _timer.Arm(While);
    }

    /// <summary>What is not yet done is not done any more.</summary>
    public void Dispose()
    {
        _watch.Dispose();
        _timer.Dispose();
    }

    private void Release()
    {
        Dispose();
        ProgramPages.Release();
    }
}
