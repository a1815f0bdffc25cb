using RunnerVm.Tests.Vmm.Api;
using RunnerVm.Tests.Vmm.Machine;
using RunnerVm.Tests.Vmm.Start;
using Xunit;

namespace RunnerVm.Tests.Vmm.Snapshots;

/// <summary>The program as it is shipped, with its filters, driven by requests alone.</summary>
public sealed class ProgramSnapshotTests : IDisposable
{
    private readonly SnapshotFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_machine_is_saved_Full_and_Diff_under_the_filters_and_loaded_by_other_processes()
    {
        using (var program = Boot(tracks: true))
        {
            using var api = program.Connect(_folder.At("api"));
            Save(api, "Full");
            Done(api, "PATCH", "/vm", """{"state": "Resumed"}""");
            Done(api, "PATCH", "/vm", """{"state": "Paused"}""");
            Save(api, "Diff");
            Done(api, "PATCH", "/vm", """{"state": "Resumed"}""");
            Finish(api, program);
            Assert.EndsWith("PASS\n", File.ReadAllText(_folder.At("console")), StringComparison.Ordinal);
        }

        for (var i = 0; i < 2; i++)
        {
            using var program = MonitorProgram.Start("--api-sock", _folder.At("api"));
            using var api = program.Connect(_folder.At("api"));
            Done(api, "PUT", "/serial", $$"""{"serial_out_path": "{{_folder.At($"console{i}")}}"}""");
            Assert.StartsWith("snapshot_path: ", api.Ask("PUT", "/snapshot/load", Load(_folder.Memory)).Fault, StringComparison.Ordinal);
            Done(api, "PUT", "/snapshot/load", Load(_folder.State));
            Assert.Contains("\"state\":\"Running\"", api.Ask("GET", "/").Body, StringComparison.Ordinal);
            Assert.Contains("\"vcpu_count\":2,\"mem_size_mib\":16", api.Ask("GET", "/vm/config").Body, StringComparison.Ordinal);
            Done(api, "PATCH", "/vm", """{"state": "Paused"}""");
            Save(api, "Full", "again");
            Done(api, "PATCH", "/vm", """{"state": "Resumed"}""");
            Finish(api, program);
            Assert.Equal("PASS\n", File.ReadAllText(_folder.At($"console{i}")));
        }
    }

    [Fact]
    public void A_full_disk_is_a_sentence_and_leaves_no_state_and_the_machine_goes_on()
    {
        Assert.SkipUnless(File.Exists("/dev/full"), "There is no /dev/full.");
        using var program = Boot(tracks: false);
        using var api = program.Connect(_folder.At("api"));
        var fault = api.Ask("PUT", "/snapshot/create", $$"""{"snapshot_path": "{{_folder.State}}", "mem_file_path": "/dev/full"}""").Fault;
        Assert.Equal("mem_file_path: /dev/full is not a file. Give the path of one, or of none.", fault);
        Assert.Equal(0, new FileInfo(_folder.State).Length);
        fault = api.Ask("PUT", "/snapshot/create", $$"""{"snapshot_path": "{{_folder.At("no/such/folder")}}", "mem_file_path": "{{_folder.Memory}}"}""").Fault;
        Assert.Equal($"snapshot_path: Cannot open {_folder.At("no/such/folder")}: no such file or directory (ENOENT). Create its folder first.", fault);
        Save(api, "Full");
        Done(api, "PATCH", "/vm", """{"state": "Resumed"}""");
        Finish(api, program);
    }

    private MonitorProgram Boot(bool tracks)
    {
        var kernel = FreestandingGuest.Build("counter", pvh: true, "CPUS=2");
        var program = MonitorProgram.Start("--api-sock", _folder.At("api"));
        using var api = program.Connect(_folder.At("api"));
        Done(api, "PUT", "/machine-config", $$"""{"vcpu_count": 2, "mem_size_mib": 16, "track_dirty_pages": {{(tracks ? "true" : "false")}}}""");
        Done(api, "PUT", "/boot-source", $$"""{"kernel_image_path": "{{kernel}}"}""");
        Done(api, "PUT", "/serial", $$"""{"serial_out_path": "{{_folder.At("console")}}"}""");
        Done(api, "PUT", "/actions", """{"action_type": "InstanceStart"}""");
        Assert.True(SpinWait.SpinUntil(() => File.ReadAllText(_folder.At("console")).Contains("ready", StringComparison.Ordinal), MonitorProgram.Patience), "The guest is not ready.");
        Done(api, "PATCH", "/vm", """{"state": "Paused"}""");
        return program;
    }

    private void Save(ApiClient api, string type, string prefix = "") =>
        Done(api, "PUT", "/snapshot/create", $$"""{"snapshot_type": "{{type}}", "snapshot_path": "{{_folder.At(prefix + "state")}}", "mem_file_path": "{{_folder.At(prefix + "memory")}}"}""");

    private string Load(string state) =>
        $$"""{"snapshot_path": "{{state}}", "mem_backend": {"backend_type": "File", "backend_path": "{{_folder.Memory}}"}, "resume_vm": true}""";

    private static void Finish(ApiClient api, MonitorProgram program)
    {
        Done(api, "PUT", "/actions", """{"action_type": "SendCtrlAltDel"}""");
        Assert.Equal((0, ""), (program.WaitForEnd().Status, program.WaitForEnd().Errors));
    }

    private static void Done(ApiClient api, string method, string path, string body)
    {
        var answer = api.Ask(method, path, body);
        Assert.True(answer.Status == 204, $"{method} {path} {body}: {answer.Status} {answer.Body}");
    }
}
