using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Devices.Virtio.Vsock;
using Xunit;

namespace RunnerVm.Tests.Vmm.Devices.Vsock;

/// <summary>Identifiers and paths that can and cannot be.</summary>
public sealed class VsockSocketTests : IDisposable
{
    private readonly VsockGuest _guest = new();

    public void Dispose() => _guest.Dispose();

    [Theory]
    [InlineData(0u)]
    [InlineData(2u)]
    [InlineData(uint.MaxValue)]
    public void A_reserved_identifier_is_refused(uint cid)
    {
        var problem = Assert.Throws<VmmFaultException>(() => new VsockDevice(new() { GuestCid = cid, UdsPath = _guest.Path + "2" }));
        Assert.Contains("guest_cid", problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_socket_that_is_there_already_is_refused_and_stays()
    {
        var problem = Assert.Throws<VmmFaultException>(() => new VsockDevice(new() { GuestCid = 3, UdsPath = _guest.Path }));
        Assert.Contains("(EADDRINUSE). Remove", problem.Message, StringComparison.Ordinal);
        Assert.True(File.Exists(_guest.Path));
    }

    [Theory]
    [InlineData("/nonexistent/v.sock", "Create its folder")]
    [InlineData("", "it is empty")]
    public void A_path_that_cannot_be_is_refused_with_a_reason(string path, string reason)
    {
        var problem = Assert.Throws<VmmFaultException>(() => new VsockDevice(new() { GuestCid = 3, UdsPath = path }));
        Assert.Contains("uds_path", problem.Message, StringComparison.Ordinal);
        Assert.Contains(reason, problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_path_may_have_107_bytes_and_not_108()
    {
        var folder = Directory.CreateTempSubdirectory();
        var longest = Path.Combine(folder.FullName, new string('v', 107 - folder.FullName.Length - 1));
        using (new VsockDevice(new() { GuestCid = 3, UdsPath = longest })) Assert.True(File.Exists(longest));
        Assert.False(File.Exists(longest));
        Assert.Throws<VmmFaultException>(() => new VsockDevice(new() { GuestCid = 3, UdsPath = longest + "v" }));
        folder.Delete();
    }
}
