using System.Text;
using FsCheck.Xunit;
using RunnerVm.Images;
using Xunit;

namespace RunnerVm.Tests.Executor.Images;

public sealed class InitramfsStoreTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_archive_holds_the_agent_the_device_nodes_and_the_modules_in_order()
    {
        using var scratch = new Scratch();
        var (kernel, agent) = Prepare(scratch);
        var path = await new InitramfsStore(scratch.Data, TimeProvider.System).GetAsync(kernel, agent, Token);
        var entries = CpioReader.Read(await File.ReadAllBytesAsync(path, Token)).ToDictionary(entry => entry.Name);

        Assert.Equal("the agent", Encoding.ASCII.GetString(entries["init"].Content));
        Assert.Equal(0x81ed, entries["init"].Mode);
        Assert.Equal((0x2180, 5, 1), (entries["dev/console"].Mode, entries["dev/console"].Major, entries["dev/console"].Minor));
        Assert.Equal((0x21b6, 1, 9), (entries["dev/urandom"].Mode, entries["dev/urandom"].Major, entries["dev/urandom"].Minor));
        Assert.Equal("000-b.ko\n001-a.ko\n", Encoding.ASCII.GetString(entries["modules/order"].Content));
        Assert.Equal("module b", Encoding.ASCII.GetString(entries["modules/000-b.ko"].Content));
        foreach (var folder in (string[])["dev", "proc", "sys", "run"]) Assert.Equal(0x41ed, entries[folder].Mode);
        Assert.All(entries.Values, entry => Assert.Equal((0, 0), (entry.Uid, entry.Time)));
        Assert.Equal(entries.Count, entries.Values.Select(entry => entry.Inode).Distinct().Count());
    }

    [Fact]
    public async Task Equal_input_gives_the_same_file_and_a_changed_agent_another()
    {
        using var scratch = new Scratch();
        var (kernel, agent) = Prepare(scratch);
        var store = new InitramfsStore(scratch.Data, TimeProvider.System);
        var first = await store.GetAsync(kernel, agent, Token);
        var bytes = await File.ReadAllBytesAsync(first, Token);
        var written = File.GetLastWriteTimeUtc(first);
        Assert.Equal(first, await store.GetAsync(kernel, agent, Token));
        Assert.Equal(written, File.GetLastWriteTimeUtc(first));

        File.SetLastWriteTimeUtc(agent, written.AddSeconds(5));
        Assert.Equal(first, await store.GetAsync(kernel, agent, Token));
        Assert.Equal(bytes, await File.ReadAllBytesAsync(first, Token));

        await File.WriteAllTextAsync(agent, "another agent", Token);
        Assert.NotEqual(first, await store.GetAsync(kernel, agent, Token));
    }

    [Fact]
    public async Task A_kernel_of_the_users_own_gets_no_modules()
    {
        using var scratch = new Scratch();
        var (_, agent) = Prepare(scratch);
        var path = await new InitramfsStore(scratch.Data, TimeProvider.System).GetAsync(new("own", scratch["vmlinux"], []), agent, Token);
        var modules = CpioReader.Read(await File.ReadAllBytesAsync(path, Token)).Where(entry => entry.Name.StartsWith("modules/", StringComparison.Ordinal));
        Assert.Empty(Assert.Single(modules).Content);
    }

    [Fact]
    public async Task A_missing_agent_is_told_with_what_to_do()
    {
        using var scratch = new Scratch();
        var error = await Assert.ThrowsAsync<UserException>(
            () => new InitramfsStore(scratch.Data, TimeProvider.System).GetAsync(new("own", "k", []), scratch["absent"], Token));
        Assert.Contains("./runnervm", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cpio_itself_reads_the_archive()
    {
        if (Tool.Find("cpio") is null) Assert.Skip("cpio is not installed");
        using var scratch = new Scratch();
        var (kernel, agent) = Prepare(scratch);
        var path = await new InitramfsStore(scratch.Data, TimeProvider.System).GetAsync(kernel, agent, Token);
        var listing = await Tool.RunAsync("cpio", ["-t", "--quiet", "-F", path], new(), Token);
        Assert.Contains("modules/001-a.ko\ninit\n", listing, StringComparison.Ordinal);
    }

    [Property]
    public void Any_name_and_content_come_back(Dictionary<Guid, byte[]> files)
    {
        using var stream = new MemoryStream();
        var cpio = new CpioWriter(stream);
        // Lengths of all remainders modulo 4, so that padding is tried.
        foreach (var (name, content) in files) cpio.AddFile(name.ToString("N")[..(1 + content.Length % 31)] + name, 0, content);
        cpio.Finish();
        var back = CpioReader.Read(stream.ToArray());
        Assert.Equal(files.Values, back.Select(entry => entry.Content));
    }

    private static (Kernel Kernel, string Agent) Prepare(Scratch scratch)
    {
        File.WriteAllText(scratch["agent"], "the agent");
        File.WriteAllText(scratch["000-b.ko"], "module b");
        File.WriteAllText(scratch["001-a.ko"], "module a");
        return (new("6.1", scratch["vmlinux"], [scratch["000-b.ko"], scratch["001-a.ko"]]), scratch["agent"]);
    }
}
