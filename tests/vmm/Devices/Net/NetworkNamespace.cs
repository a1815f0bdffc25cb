using System.Diagnostics;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using Xunit;

namespace RunnerVm.Tests.Vmm.Devices.Net;

/// <summary>A thread in a network namespace of its own, so that no address of a test is ever in the host's.</summary>
internal static class NetworkNamespace
{
    private const int CLONE_NEWNET = 0x40000000;

    /// <summary>Runs <paramref name="test"/> there, with a TAP device 'tap0' that is up as 10.0.0.1/24; skips it where that cannot be.</summary>
    public static void WithTap(Action test, int mtu = 1500)
    {
        Assert.SkipUnless(File.Exists("/dev/net/tun"), "There is no /dev/net/tun.");
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "A network namespace and a TAP device need root.");
        Assert.SkipUnless(File.Exists("/usr/sbin/ip") || File.Exists("/usr/bin/ip") || File.Exists("/sbin/ip"), "iproute2 is not installed.");
        Run(() =>
        {
            Shell("echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6 2>/dev/null; "
                + $"ip tuntap add dev tap0 mode tap vnet_hdr && ip link set tap0 mtu {mtu} address 06:00:0a:00:00:01 up && ip addr add 10.0.0.1/24 dev tap0 "
                + "&& ip neigh add 10.0.0.2 lladdr 06:00:0a:00:00:02 dev tap0");
            test();
        });
    }

    /// <summary>In the namespace of the thread that calls.</summary>
    public static void Shell(string command)
    {
        using var shell = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", command]) { RedirectStandardError = true })!;
        var problems = shell.StandardError.ReadToEnd();
        Assert.True(shell.WaitForExit(TimeSpan.FromSeconds(60)));
        Assert.True(shell.ExitCode == 0, $"{command}: {problems}");
    }

    /// <summary>Attaching to a TAP device plugs in its cable, which the kernel notices a little later; until then what the host sends is dropped.</summary>
    public static void WaitForCarrier() =>
        Shell("for i in $(seq 500); do ip link show tap0 | grep -q 'state UP' && exit 0; sleep 0.01; done; echo no carrier >&2; exit 1");

    private static void Run(Action test)
    {
        ExceptionDispatchInfo? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                Assert.SkipUnless(unshare(CLONE_NEWNET) == 0, "A network namespace of our own is not allowed here.");
                test();
            }
            catch (Exception problem)
            {
                failure = ExceptionDispatchInfo.Capture(problem);
            }
        });
        thread.Start();
        Assert.True(thread.Join(TimeSpan.FromSeconds(60)), "not within a minute");
        failure?.Throw();
    }

    [DllImport("libc", SetLastError = true)]
    private static extern int unshare(int flags);
}
